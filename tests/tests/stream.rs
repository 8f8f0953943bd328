//! What the `stream` example promises, seen from outside.
//! Run: just test stream

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use serde_json::{Value, json};
use tests::{
    BadInput, Running, artifacts, command, guest, guest_with, host, in_time, installed, refused,
    root,
};

/// How long anything may take here before it counts as stuck.
const LIMIT: Duration = Duration::from_secs(60);

const TARGET: &str = "wasm32-wasip2";

/// Runs the host with `args` and the guest `package` on `input` to its end.
fn stream(args: &[&str], package: &str, input: impl Into<Vec<u8>>) -> Assert {
    let mut host = host("stream_host");
    host.args(args).arg(guest(package, TARGET)).write_stdin(input).timeout(LIMIT).assert()
}

/// The lines of a text, each of which is JSON.
#[track_caller]
fn parsed(text: &[u8]) -> Vec<Value> {
    let lines = std::str::from_utf8(text).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// What a run that succeeded wrote: the lines of standard output, and those of standard error.
#[track_caller]
fn written(run: Assert) -> (Vec<Value>, Vec<Value>) {
    let run = run.success();
    (parsed(&run.get_output().stdout), parsed(&run.get_output().stderr))
}

/// Records with the key `k`, one for each value.
fn records(values: &[Value]) -> String {
    values.iter().map(|value| json!({ "key": "k", "value": value }).to_string() + "\n").collect()
}

/// The host while it runs.
fn running(args: &[&str], guest: &Path) -> Running {
    Running::start("stream_host", args, guest)
}

/// The next line of its output, which is JSON.
#[track_caller]
fn line(running: &mut Running) -> Value {
    let line = running.line();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

#[test]
fn each_guest_does_its_step() {
    let input = concat!(
        r#"{"key": "kitchen", "value": {"celsius": 21.5}}"#,
        "\n",
        r#"{"id": 7, "value": {"celsius": 64, "more": "1 , 2"}, "key": "boiler"}"#,
        "\r\n",
        r#"{"key": "kitchen", "value": {"celsius": 20}}"#,
    );
    stream(&[], "stream_guest", input).success().stderr("").stdout(concat!(
        r#"{"key":"kitchen","value":{"fahrenheit":70.7}}"#,
        "\n",
        r#"{"id":7,"key":"boiler","value":{"fahrenheit":147.2}}"#,
        "\n",
        r#"{"key":"kitchen","value":{"fahrenheit":68.0}}"#,
        "\n",
    ));
    let hot = r#"{"id":7,"key":"boiler","value":{"celsius": 64, "more": "1 , 2"}}"#;
    stream(&[], "stream_filter_guest", input).success().stderr("").stdout(format!("{hot}\n"));
    stream(&[], "stream_count_guest", input).success().stderr("").stdout(concat!(
        r#"{"key":"kitchen","value":{"count":1,"highest":21.5}}"#,
        "\n",
        r#"{"id":7,"key":"boiler","value":{"count":1,"highest":64.0}}"#,
        "\n",
        r#"{"key":"kitchen","value":{"count":2,"highest":21.5}}"#,
        "\n",
    ));
    stream(&[], "stream_guest", "").success().stdout("").stderr("");
}

#[test]
fn sandboxes_from_a_pool_do_the_same() {
    let record = |n: u32| json!({ "key": format!("k{}", n % 5), "value": { "celsius": n } });
    let input: String = (0..100).map(|n| record(n).to_string() + "\n").collect();
    let pool = ["--pool", "--workers", "4"];
    let plain = written(stream(&["--workers", "4"], "stream_count_guest", &*input));
    assert_eq!(plain.0.len(), 100);
    assert_eq!(written(stream(&pool, "stream_count_guest", &*input)), plain);
    // What does not fit is refused when it is loaded, and not with each record.
    let small = ["--pool", "--max-memory-size", "65536"];
    let refused = contains("cannot compile").and(contains("exceeds the limit of 0x10000 bytes"));
    stream(&small, "stream_count_guest", &*input).code(1).stdout("").stderr(refused);
}

#[test]
fn what_comes_out_can_go_in_again() {
    let input = records(&[json!({"celsius": 40}), json!({"celsius": 20}), json!({"kelvin": 1})]);
    let first = stream(&[], "stream_filter_guest", input).success();
    let again = first.get_output().stdout.clone();
    let (results, letters) = written(stream(&[], "stream_guest", again));
    assert_eq!(results, [json!({"key": "k", "value": {"fahrenheit": 104.0}})]);
    assert!(letters.is_empty());
    // And a dead letter can be sent to a guest that knows what to do with it.
    let letter = first.get_output().stderr.clone();
    let (results, letters) = written(stream(&[], "stream_poison_guest", letter));
    assert_eq!(results, [json!({"key": "k", "value": 1})]);
    assert!(letters.is_empty());
}

#[test]
fn the_order_of_the_input_is_kept_with_many_keys_and_workers() {
    let key = |id: usize| format!("key {}", id * id % 101);
    let input: String = (0..4000)
        .map(|id| format!("{}\n", json!({"id": id, "key": key(id), "value": {"celsius": id}})))
        .collect();
    for workers in ["1", "5"] {
        let run = stream(&["--workers", workers], "stream_count_guest", input.clone());
        let (results, letters) = written(run);
        assert!(letters.is_empty(), "{letters:?}");
        assert_eq!(results.len(), 4000);
        let mut counts = BTreeMap::new();
        for (id, result) in results.iter().enumerate() {
            let count = counts.entry(key(id)).or_insert(0);
            *count += 1;
            let value = json!({"count": count, "highest": id as f64});
            assert_eq!(*result, json!({"id": id, "key": key(id), "value": value}));
        }
        assert!(counts.len() > 40);
    }
}

#[test]
fn keys_are_worked_on_at_the_same_time() {
    let args = ["--workers", "16", "--retries", "0", "--timeout", "1"];
    let mut running = running(&args, &guest("stream_poison_guest", TARGET));
    running.write(&records(&[json!(1)]));
    line(&mut running);
    // Six records that take a second each. They may meet at a worker, but hardly all at one.
    let start = Instant::now();
    for key in 0..6 {
        running.write(&format!("{}\n", json!({"key": format!("{key}"), "value": "loop"})));
    }
    running.stdin = None;
    let (status, errors) = running.ends();
    assert!(status.success());
    assert_eq!(errors.matches("failed: it took longer than 1s").count(), 6, "{errors}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// How far the reading of input gets ahead of the reading of output, in records of 10,000 bytes.
fn ahead(in_flight: &str) -> usize {
    let args = ["--in-flight", in_flight];
    let mut running = running(&args, &guest("stream_filter_guest", TARGET));
    let mut stdin = running.stdin.take().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counting = accepted.clone();
    let writer = thread::spawn(move || {
        for id in 0..500 {
            let value = json!({"celsius": 50, "text": "x".repeat(9_950)});
            writeln!(stdin, "{}", json!({"id": id, "key": id.to_string(), "value": value}))
                .unwrap();
            counting.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut most = 0;
    for id in 0..500 {
        most = most.max(accepted.load(Ordering::SeqCst).saturating_sub(id));
        assert_eq!(line(&mut running)["id"], id);
    }
    writer.join().unwrap();
    assert!(running.ends().0.success());
    most
}

#[test]
fn a_slow_reader_slows_the_input_down() {
    // Two pipes of 64 KiB, two buffers of 8 KiB: with them, 15 records that nobody has counted.
    let few = ahead("4");
    assert!(few <= 4 + 20, "{few} records ahead");
    let many = ahead("400");
    assert!(many > few + 50, "{many} records ahead, and {few}");
}

#[test]
fn a_result_is_written_before_the_next_record_is_needed() {
    for args in [&["--in-flight", "1"][..], &["--workers", "1"], &["--workers", "256"]] {
        let mut running = running(args, &guest("stream_poison_guest", TARGET));
        for number in 1..10 {
            running.write(&records(&[json!(number)]));
            assert_eq!(line(&mut running), json!({"key": "k", "value": number}));
        }
        running.write(r#"{"key": "k", "value": "without an end of line"}"#);
        running.stdin = None;
        assert_eq!(line(&mut running), json!({"key": "k", "value": 10}));
        let (status, errors) = running.ends();
        assert!(status.success() && errors.is_empty(), "{status}: {errors}");
    }
}

#[test]
fn poison_goes_to_the_dead_letters_and_nothing_else_does() {
    let poison = [
        ("error", "refused: this record is not welcome"),
        ("panic", "failed: wasm trap: wasm `unreachable` instruction executed; it printed: "),
        ("loop", "failed: it took longer than 2s"),
        ("memory", "failed: it wants more than 67108864 bytes of memory"),
        ("recursion", "failed: wasm trap: call stack exhausted"),
        ("sleep", "failed: a step may not wait"),
        ("exit", "failed: Exited with i32 exit status 0"),
        ("talk", "it printed: and another thing\nand another thing\n"),
        ("text", "failed: a result is not JSON: "),
        ("two", "failed: a result is not JSON: "),
    ];
    let mut input = String::new();
    for (id, (wish, _)) in poison.iter().enumerate() {
        input += &format!("{}\n", json!({"id": id, "key": "k", "value": wish}));
        input += &records(&[json!(1)]);
    }
    let (results, letters) =
        written(stream(&["--timeout", "2", "--workers", "3"], "stream_poison_guest", input));
    let counts: Vec<_> = results.iter().map(|result| result["value"].as_u64().unwrap()).collect();
    assert_eq!(counts, Vec::from_iter(1..=poison.len() as u64)); // no state is lost, none is new
    assert_eq!(letters.len(), poison.len());
    for ((id, (wish, reason)), letter) in poison.iter().enumerate().zip(&letters) {
        assert_eq!(letter["id"], id);
        assert_eq!(letter["key"], "k");
        assert_eq!(letter["value"], *wish);
        assert_eq!(letter["line"], 2 * id + 1);
        assert!(letter["reason"].as_str().unwrap().contains(reason), "{letter}");
    }
    assert!(letters[1]["reason"].as_str().unwrap().contains("this record is too much"));
    let longest = letters.iter().map(|letter| letter.to_string().len()).max().unwrap();
    assert!(longest < 1000, "{longest} bytes, of a guest that printed without end");
}

#[test]
fn a_long_reason_is_cut() {
    let (_, letters) = written(stream(&[], "stream_poison_guest", records(&[json!("essay")])));
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("refused: no no no ") && reason.len() < 600, "{reason}");
}

#[test]
fn a_guest_that_traps_on_every_tenth_record_loses_only_these() {
    let input: String = (1..=600)
        .map(|id| format!("{}\n", json!({"id": id, "key": format!("{}", id % 7), "value": id})))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dead.jsonl");
    let args = ["--dead-letters", file.to_str().unwrap(), "--workers", "4"];
    let (results, errors) = written(stream(&args, "stream_poison_guest", input));
    assert!(errors.is_empty());
    let letters = parsed(&fs::read(&file).unwrap());
    let ids = |lines: &[Value]| -> Vec<u64> {
        lines.iter().map(|line| line["id"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids(&results), Vec::from_iter((1..=600).filter(|id| id % 10 != 0)));
    assert_eq!(ids(&letters), Vec::from_iter((1..=600).filter(|id| id % 10 == 0)));
    let mut counts = BTreeMap::new();
    for result in &results {
        let count = counts.entry(result["key"].to_string()).or_insert(0);
        *count += 1;
        assert_eq!(result["value"], *count, "{result}");
    }
    for letter in letters {
        assert!(letter["reason"].as_str().unwrap().contains("every tenth record"), "{letter}");
    }
}

#[test]
fn only_what_took_too_long_is_tried_again() {
    let timed = |args: &[&str], value: Value| {
        let start = Instant::now();
        let (results, letters) =
            written(stream(args, "stream_poison_guest", records(&[value, json!(1)])));
        assert_eq!((results.len(), letters.len()), (1, 1));
        start.elapsed()
    };
    let tried = timed(&["--timeout", "0.5", "--retries", "3"], json!("loop"));
    assert!(tried >= Duration::from_secs(2), "{tried:?}");
    // Were these tried again, that would not end.
    for value in ["error", "panic", "memory", "text"] {
        timed(&["--retries", "4294967295"], json!(value));
    }
}

#[test]
fn a_step_is_given_nothing_but_its_record() {
    let values = [json!("read"), json!("print")];
    let (results, letters) = written(stream(&[], "stream_poison_guest", records(&values)));
    assert_eq!(results[0]["value"], false, "it could read a directory");
    assert_eq!(results.len(), 3, "{results:?}");
    assert!(letters.is_empty());
}

#[test]
fn each_line_is_acknowledged_with_what_a_driver_has_to_know() {
    let input = concat!(
        r#"{"id": {"stream": "a", "seq": 12345678901234567890123}, "key": "k", "value": 1}"#,
        "\nno record\n",
        r#"{"id": null, "key": "k", "value": "panic"}"#,
        "\n",
        r#"{"id": "x", "key": "k", "value": 2, "state": "41"}"#,
        "\n",
        r#"{"id": "y", "key": "k", "value": "forget"}"#,
        "\n",
        r#"{"id": "z", "key": "k", "value": 3}"#,
        "\n",
    );
    let run = stream(&["--acks", "--dead-letters", "/dev/null"], "stream_poison_guest", input);
    let run = run.success().stderr("");
    let output = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let lines: Vec<_> = output.lines().collect();
    let id = r#"{"stream": "a", "seq": 12345678901234567890123}"#;
    assert_eq!(lines[0], format!(r#"{{"id":{id},"key":"k","value":1}}"#));
    assert_eq!(lines[1], format!(r#"{{"ack":{id},"line":1,"state":"1"}}"#));
    assert!(lines[2].starts_with(r#"{"ack":null,"line":2,"reason":"not a record: "#), "{output}");
    assert!(lines[3].starts_with(r#"{"ack":null,"line":3,"reason":"failed: "#), "{output}");
    let rest = [
        r#"{"id":"x","key":"k","value":42}"#,
        r#"{"ack":"x","line":4,"state":"42"}"#,
        r#"{"ack":"y","line":5}"#,
        r#"{"id":"z","key":"k","value":1}"#,
        r#"{"ack":"z","line":6,"state":"1"}"#,
    ];
    assert_eq!(lines[4..], rest);
}

#[test]
fn a_state_that_comes_with_a_record_stays_if_the_record_fails() {
    for failing in ["error", "panic", "text"] {
        let input = json!({"key": "k", "value": failing, "state": "41"}).to_string() + "\n";
        let input = records(&[json!(1)]) + &input + &records(&[json!(2)]);
        let (results, letters) = written(stream(&[], "stream_poison_guest", input));
        let counts: Vec<_> = results.iter().map(|result| &result["value"]).collect();
        assert_eq!((counts, letters.len()), (vec![&json!(1), &json!(42)], 1), "{failing}");
    }
    // One for which there is no room changes nothing, and the guest is not asked.
    let large = json!({"key": "k", "value": 1, "state": "9".repeat(1000)}).to_string() + "\n";
    let input = records(&[json!(1)]) + &large + &records(&[json!(1)]);
    let args = ["--max-state-size", "1000"];
    let (results, letters) = written(stream(&args, "stream_poison_guest", input));
    assert_eq!((results.len(), &results[1]["value"]), (2, &json!(2)));
    assert_eq!(
        letters[0]["reason"],
        "failed: there is no room for its state, of all that are kept"
    );
}

#[test]
fn after_a_kill_a_driver_goes_on_with_what_has_no_ack() {
    const RECORDS: u64 = 1000;
    let guest = guest("stream_count_guest", TARGET);
    let key = |id: u64| format!("{}", id % 7);
    let mut acked = 0;
    let mut states = BTreeMap::new();
    let mut results = vec![0; RECORDS as usize];
    let mut kills = 0;
    while acked < RECORDS {
        let args = ["--acks", "--in-flight", "8", "--workers", "3"];
        let mut running = running(&args, &guest);
        let mut left = states.clone();
        let mut input = String::new();
        for id in acked..RECORDS {
            let mut record = json!({"id": id, "key": key(id), "value": {"celsius": id}});
            if let Some(state) = left.remove(&key(id)) {
                record["state"] = state; // once; from then on this host knows it
            }
            input += &format!("{record}\n");
        }
        let mut stdin = running.stdin.take().unwrap();
        let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes()))); // as far as it gets
        let until = RECORDS.min(acked + 100 + kills);
        let mut take = |line: Value| match line.get("ack") {
            Some(id) => {
                assert_eq!(*id, acked);
                states.insert(key(acked), line["state"].clone());
                acked += 1;
                acked
            }
            None => {
                let id = line["id"].as_u64().unwrap();
                assert_eq!(line["value"]["count"], id / 7 + 1, "{line}");
                results[id as usize] += 1;
                0
            }
        };
        while take(line(&mut running)) < until {}
        running.host.kill().unwrap();
        kills += 1;
        writer.join().unwrap();
        // What it had written before is there; its last line may be half of one.
        let mut rest = String::new();
        running.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        rest.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(|line| {
            take(line);
        });
    }
    assert!(kills >= 3, "{kills}");
    assert!(results.iter().all(|times| *times >= 1), "lost: {results:?}");
    let twice = results.iter().sum::<u64>() - RECORDS;
    assert!(twice <= 8 * kills, "{twice} results twice, in {kills} kills");
}

#[test]
fn a_value_reaches_the_guest_as_it_was_written() {
    // The filter returns what it was given. In a number of Rust this would be another one.
    for value in [
        r#"{"celsius":1e3, "z":1, "a":12345678901234567890.10, "z":"\u00fc\"}", "b" : [ ] }"#,
        r#"{"value":{"key":1},"celsius":99.00}"#,
    ] {
        for line in [
            format!(r#"{{"key":"\u006b","value":{value}}}"#),
            format!(r#" {{ "a":{value}, "b":null,"v\u0061lue" : {value} , "key":"k" }} "#),
        ] {
            let expected = format!("{{\"key\":\"k\",\"value\":{value}}}\n");
            stream(&[], "stream_filter_guest", line).success().stdout(expected).stderr("");
        }
    }
    // Whatever JSON it is, it is a value.
    let input = records(&[json!(null), json!(false), json!([]), json!("1 2"), json!(1)]);
    let (results, letters) = written(stream(&[], "stream_poison_guest", input));
    assert_eq!(results.len(), 5);
    assert!(letters.is_empty());
    // Ends of lines in a result are none of the output.
    let run = stream(&[], "stream_poison_guest", records(&[json!("lines")])).success();
    run.stdout("{\"key\":\"k\",\"value\":[ 1,  2 ]}\n{\"key\":\"k\",\"value\":1}\n");
}

#[test]
fn a_line_that_is_no_record_is_a_dead_letter() {
    let deep = "[".repeat(100_000);
    let bad: [(&[u8], &str); 10] = [
        (b"no record", "not a record: it is not a JSON object"),
        (b"", "not a record: it is not a JSON object"),
        (br#"["k", null, null, 1]"#, "not a record: it is not a JSON object"),
        (br#"{"value": 1}"#, "not a record: missing field `key`"),
        (br#"{"key": "k"}"#, "not a record: missing field `value`"),
        (br#"{"key": 1, "value": 1}"#, "expected a string"),
        (br#"{"key": "k", "value": 1, "value": 2}"#, "duplicate field `value`"),
        (br#"{"key": "k", "value": 1} 2"#, "trailing characters"),
        (br#"{"key": "k", "value": 0"#, "EOF"),
        (b"{\"key\": \"\xff\", \"value\": 1}", "not text in UTF-8"),
    ];
    let mut input = Vec::new();
    for (line, _) in bad {
        input.extend(line);
        input.extend(b"\n");
        input.extend(records(&[json!(1)]).into_bytes());
    }
    input.extend(format!("{{\"key\": \"k\", \"value\": {deep}\n").into_bytes());
    let (results, letters) = written(stream(&[], "stream_poison_guest", input));
    assert_eq!(results.len(), bad.len());
    assert_eq!(letters.len(), bad.len() + 1);
    for ((index, (line, reason)), letter) in bad.iter().enumerate().zip(&letters) {
        assert!(letter["reason"].as_str().unwrap().contains(reason), "{reason}: {letter}");
        assert_eq!(letter["text"], *String::from_utf8_lossy(line));
        assert_eq!(letter["line"], 2 * index + 1);
    }
}

#[test]
fn a_line_may_have_so_many_bytes_and_no_more() {
    let record = r#"{"key": "k", "value": 1}"#;
    for (most, results) in [("24", 2), ("23", 0)] {
        for end in ["", "\n"] {
            let input = format!("{record}\n{record}{end}");
            let run = stream(&["--max-line-size", most], "stream_poison_guest", input);
            let (passed, letters) = written(run);
            assert_eq!((passed.len(), letters.len()), (results, 2 - results), "{most} {end:?}");
        }
    }
    // One that does not end takes time, and no memory.
    let mut running = running(&[], &guest("stream_poison_guest", TARGET));
    let megabyte = "x".repeat(1_000_000);
    for _ in 0..300 {
        running.write(&megabyte);
    }
    running.write(&format!("\n{record}\n"));
    assert_eq!(line(&mut running), json!({"key": "k", "value": 1}));
    if cfg!(target_os = "linux") {
        let status = fs::read_to_string(format!("/proc/{}/status", running.host.id())).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let most: usize = most.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(most < 250_000, "{most} kB for a line of 300 MB");
    }
    running.stdin = None;
    let (status, errors) = running.ends();
    assert!(status.success());
    let letter = json!({
        "text": "x".repeat(100), "line": 1, "reason": "a line of more than 1048576 bytes"
    });
    assert_eq!(parsed(errors.as_bytes()), [letter]);
}

#[test]
fn a_step_has_limits_that_can_be_moved() {
    let one = |args: &[&str], value: &str| {
        let (results, letters) =
            written(stream(args, "stream_poison_guest", records(&[json!(value)])));
        let reason = letters.first().map(|letter| letter["reason"].as_str().unwrap().to_owned());
        assert_eq!(results.is_empty(), reason.is_some() || value == "state");
        reason
    };
    // A result of 16 MiB, with the memory for it: what one call may copy is less.
    let reason = one(&["--max-memory-size", "500000000"], "large").unwrap();
    assert!(reason.contains("fuel allocated for hostcalls has been exhausted"), "{reason}");
    let reason = one(&["--max-memory-size", "1000000"], "none").unwrap();
    assert_eq!(reason, "failed: it wants more than 1000000 bytes of memory");
    let reason = one(&["--timeout", "0", "--retries", "0"], "loop").unwrap();
    assert_eq!(reason, "failed: it took longer than 0ns");
    // A state of 4 MiB.
    assert_eq!(one(&[], "state"), None);
    let reason = one(&["--max-state-size", "4000000"], "state").unwrap();
    assert_eq!(reason, "failed: there is no room for its state, of all that are kept");
}

#[test]
fn the_states_of_all_keys_together_have_a_limit() {
    let line = |key: &str, value: Value| format!("{}\n", json!({"key": key, "value": value}));
    let input = [
        line("a", json!(1)),
        line("b", json!(1)),
        line("c", json!(1)), // there is no room for a third one
        line("a", json!(1)),
        line("b", json!("forget")),
        line("c", json!(1)),
        line("c", json!(1)),
    ];
    let args = ["--workers", "1", "--max-state-size", "250"];
    let (results, letters) = written(stream(&args, "stream_poison_guest", input.concat()));
    let seen: Vec<_> = results.iter().map(|r| format!("{}{}", r["key"], r["value"])).collect();
    assert_eq!(seen, [r#""a"1"#, r#""b"1"#, r#""a"2"#, r#""c"1"#, r#""c"2"#]);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["line"], 3);
}

/// Part of a component that does not compile, for a reason with a name that clears a terminal.
const COMMANDING: &str = r#"(core module $m) (core instance $i (instantiate $m))
    (alias core export $i "\1b[2J" (core func $f))"#;

/// A guest's file that can be replaced, in a folder of its own.
struct Replaced(tempfile::TempDir);

impl Replaced {
    fn new(package: &str) -> Self {
        let replaced = Self(tempfile::tempdir().unwrap());
        replaced.by(package);
        replaced
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("guest.wasm")
    }

    /// At once, so that nobody sees it half done.
    fn by(&self, package: &str) {
        let new = self.0.path().join("new.wasm");
        fs::copy(guest(package, TARGET), &new).unwrap();
        fs::rename(new, self.path()).unwrap();
    }
}

#[test]
fn a_new_guest_takes_over_with_the_next_record() {
    let file = Replaced::new("stream_guest");
    let mut running = running(&[], &file.path());
    let record = records(&[json!({"celsius": 40})]);
    let mut next = || {
        running.write(&record);
        line(&mut running)["value"].clone()
    };
    assert_eq!(next(), json!({"fahrenheit": 104.0}));
    file.by("stream_count_guest");
    assert_eq!(next(), json!({"count": 1, "highest": 40.0}));
    assert_eq!(next(), json!({"count": 2, "highest": 40.0}));
    // A file that is no good leaves the guest and the states as they are, with a line for each file.
    fs::write(file.path(), "text").unwrap();
    assert_eq!(next(), json!({"count": 3, "highest": 40.0}));
    assert_eq!(next(), json!({"count": 4, "highest": 40.0}));
    let wasm = fs::read(guest("stream_guest", TARGET)).unwrap();
    fs::write(file.path(), &wasm[..wasm.len() / 2]).unwrap();
    assert_eq!(next(), json!({"count": 5, "highest": 40.0}));
    fs::remove_file(file.path()).unwrap();
    assert_eq!(next(), json!({"count": 6, "highest": 40.0}));
    fs::write(file.path(), wat::parse_str("(component)").unwrap()).unwrap();
    assert_eq!(next(), json!({"count": 7, "highest": 40.0}));
    let name = wat::parse_str(format!("(component {COMMANDING})")).unwrap();
    fs::write(file.path(), name).unwrap();
    assert_eq!(next(), json!({"count": 8, "highest": 40.0}));
    file.by("stream_filter_guest");
    assert_eq!(next(), json!({"celsius": 40}));
    running.stdin = None;
    let (status, errors) = running.ends();
    assert!(status.success());
    let (path, lines) = (file.path().display().to_string(), errors.lines().collect::<Vec<_>>());
    let stays =
        |reason: &str| format!("host: the guest stays as it was: {}", reason.replace("{}", &path));
    let expected = [
        format!("host: {path} has changed and takes over"),
        stays("{} is not a component (it is a core module, or not WebAssembly)"),
        stays("cannot compile {}: it is damaged, or needs a feature that this host leaves out: "),
        stays("cannot read {}: check the path, or build the guest first: "),
        stays("{} does not fit the world in wit/stream: build the guest from that WIT: "),
        stays("cannot compile {}: it is damaged, or needs a feature that this host leaves out: "),
        format!("host: {path} has changed and takes over"),
    ];
    assert_eq!(lines.len(), expected.len(), "{errors}");
    assert!(!errors.contains('\u{1b}'), "a guest commands the terminal: {errors:?}");
    assert!(lines[5].contains("[2J"), "{errors}");
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(&start), "{line}\n{start}");
    }
}

#[test]
fn nothing_is_lost_or_repeated_when_the_guest_changes() {
    let file = Replaced::new("stream_guest");
    guest("stream_filter_guest", TARGET); // is built before
    let mut running = running(&["--workers", "3"], &file.path());
    let mut stdin = running.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        for id in 0..3000 {
            let record = json!({"id": id, "key": format!("{}", id % 11), "value": {"celsius": 50}});
            writeln!(stdin, "{record}").unwrap();
        }
    });
    let mut changes = Vec::new();
    let mut before = json!({"fahrenheit": 122.0});
    for id in 0..3000 {
        match id {
            500 => file.by("stream_filter_guest"),
            1500 => file.by("stream_guest"),
            _ => {}
        }
        let result = line(&mut running);
        assert_eq!(result["id"], id);
        if result["value"] != before {
            before = result["value"].clone();
            changes.push((id, before.clone()));
        }
    }
    writer.join().unwrap();
    let (status, errors) = running.ends();
    assert!(status.success(), "{errors}");
    let [(first, hot), (second, back)] = &changes[..] else { panic!("{changes:?}") };
    assert!((500..1500).contains(first) && *second >= 1500, "{changes:?}");
    assert_eq!((hot, back), (&json!({"celsius": 50}), &json!({"fahrenheit": 122.0})));
    let takes_over = format!("host: {} has changed and takes over\n", file.path().display());
    assert_eq!(errors, takes_over.repeat(2));
}

#[test]
fn the_end_of_the_reader_is_the_end_of_the_host() {
    let guest = guest("stream_poison_guest", TARGET);
    let mut running = running(&[], &guest);
    running.write(&records(&[json!(1)]));
    line(&mut running);
    running.stdout = None;
    running.write(&records(&[json!(2)]));
    let (status, errors) = running.ends(); // with its input still open
    assert!(!status.success() && errors.is_empty(), "{status}: {errors}");
    #[cfg(unix)]
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(13)); // SIGPIPE
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_an_error() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let run = |args: &[&str], value: Value, stdout: Stdio| {
        let guest = guest("stream_poison_guest", TARGET);
        let mut running = Running::start_to("stream_host", args, &guest, stdout);
        running.write(&records(&[value]));
        running.ends() // with its input still open
    };
    let (status, errors) = run(&[], json!(1), full().into());
    assert_eq!(status.code(), Some(1));
    assert!(errors.starts_with("Error: cannot write standard output\n"), "{errors}");
    assert!(errors.contains("No space left on device"), "{errors}");
    let (status, errors) = run(&["--dead-letters", "/dev/full"], json!("panic"), Stdio::null());
    assert_eq!(status.code(), Some(1));
    assert!(errors.starts_with("Error: cannot write a dead letter\n"), "{errors}");
}

#[test]
fn dead_letters_are_appended_to_a_file_that_can_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dead.jsonl");
    for times in 1..=2 {
        let args = ["--dead-letters", file.to_str().unwrap()];
        let input = records(&[json!("error"), json!(1)]);
        stream(&args, "stream_poison_guest", input).success().stderr("");
        assert_eq!(parsed(&fs::read(&file).unwrap()).len(), times);
    }
    let nowhere = dir.path().join("no/dead.jsonl");
    let run = stream(&["--dead-letters", nowhere.to_str().unwrap()], "stream_guest", "");
    refused(run.stdout(""), &nowhere, "cannot write {}", "os error 2");
}

#[test]
fn input_that_cannot_be_read_is_an_error() {
    let mut run = Command::new(host("stream_host").get_program());
    run.arg(guest("stream_guest", TARGET)).env("RUST_BACKTRACE", "0").current_dir(root());
    let output = run.stdin(File::open(root()).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.starts_with("Error: cannot read standard input\n"), "{errors}");
}

#[test]
fn the_host_refuses_what_is_not_a_component_of_this_world() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        let run = host("stream_host").arg(path).timeout(LIMIT).assert().stdout("");
        refused(run, path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.damaged(), bad.module("module.wasm", "(module)")] {
        let first = "{} is not a component (it is a core module, or not WebAssembly): build";
        reject(&path, first, "--target wasm32-wasip2");
    }
    let compile = "cannot compile {}: it is damaged, or needs a feature";
    let whole = fs::read(guest("stream_guest", TARGET)).unwrap();
    let damaged = bad.missing().with_file_name("half.wasm");
    fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    reject(&damaged, compile, "out of bounds");
    let path = bad.module("shared.wasm", "(component (core module (memory 1 1 shared)))");
    reject(&path, compile, "threads must be enabled");
    let fit = "{} does not fit the world in wit/stream: build";
    reject(&bad.module("no_export.wasm", "(component)"), fit, "no export `process` found");
    let path = bad.module("imports.wasm", r#"(component (import "log:sink/line" (func)))"#);
    reject(&path, fit, "log:sink/line");
    // A name that would command a terminal.
    let path = bad.module("name.wasm", &format!("(component {COMMANDING})"));
    reject(&path, compile, "[2J");
    let run = host("stream_host").arg(&path).assert();
    run.stderr(contains("\n\nCaused by:\n").and(contains('\u{1b}').not()));
}

/// A component of the example's world, of a core module with `parts`.
fn component(parts: &str) -> String {
    format!(
        r#"(component
            (core module $m
                {parts}
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
                (func (export "process") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
                    i32.const 1024))
            (core instance $i (instantiate $m))
            (type $outcome' (record (field "results" (list string)) (field "state" (option string))))
            (export $outcome "outcome" (type $outcome'))
            (func (export "process")
                (param "key" string) (param "value" string) (param "state" (option string))
                (result (result $outcome (error string)))
                (canon lift (core func $i "process")
                    (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    )
}

#[test]
fn a_guest_that_is_not_made_by_rust_meets_the_same_limits() {
    let bad = BadInput::new();
    let memory = r#"(memory (export "memory") 1)"#;
    // `process` returns the address 1024, where it says what the result is: ok, an empty list, none.
    let cases = [
        ("good", memory.to_owned(), None),
        (
            "start",
            format!("{memory} (func $f (loop (br 0))) (start $f)"),
            Some("it took longer than 200ms"),
        ),
        ("two", format!("{memory} (memory 1)"), Some("memory count too high")),
        (
            "first",
            r#"(memory (export "memory") 2000)"#.to_owned(),
            Some("it wants more than 67108864 bytes of memory"),
        ),
        ("table", format!("{memory} (table 10001 funcref)"), Some("10000 table elements")),
        (
            "far", // a list of 2^32 - 1 strings
            format!(
                r#"{memory} (data (i32.const 1024) "\00\00\00\00\00\00\00\00\ff\ff\ff\ff\00")"#
            ),
            Some("failed: list pointer/length out of bounds of memory"),
        ),
        (
            "long", // a list of 7000 strings, each the whole memory
            format!(
                r#"{memory} (data (i32.const 1024) "\00\00\00\00\00\08\00\00\58\1b\00\00\00")
                    (func $f (local $at i32) (local.set $at (i32.const 2048))
                        (loop
                            (i32.store offset=4 (local.get $at) (i32.const 65536))
                            (local.set $at (i32.add (local.get $at) (i32.const 8)))
                            (br_if 0 (i32.lt_u (local.get $at) (i32.const 65528)))))
                    (start $f)"#
            ),
            Some("fuel allocated for hostcalls has been exhausted"),
        ),
    ];
    for (name, parts, reason) in cases {
        let path = bad.module(&format!("{name}.wasm"), &component(&parts));
        let mut run = host("stream_host");
        run.args(["--timeout", "0.2"]).arg(&path).write_stdin(records(&[json!(1)])).timeout(LIMIT);
        let (results, letters) = written(run.assert());
        assert!(results.is_empty());
        match reason {
            None => assert!(letters.is_empty(), "{name}: {letters:?}"),
            Some(reason) => {
                assert!(
                    letters[0]["reason"].as_str().unwrap().contains(reason),
                    "{name}: {letters:?}"
                );
            }
        }
    }
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    let run = |arguments: &[&str]| host("stream_host").args(arguments).assert().code(2).stdout("");
    run(&[]).stderr(contains("<GUEST.wasm>"));
    run(&["--nats", "guest.wasm"]).stderr(contains("--nats"));
    run(&["guest.wasm", "records.jsonl"]).stderr(contains("records.jsonl"));
    run(&["--workers", "0", "--workers", "1", "guest.wasm"]).stderr(contains("--workers"));
    for (flag, value) in [
        ("--workers", "0"),
        ("--workers", "257"),
        ("--in-flight", "0"),
        ("--in-flight", "100001"),
        ("--retries", "-1"),
        ("--timeout", "soon"),
        ("--timeout", "-1"),
        ("--max-memory-size", "1M"),
        ("--max-line-size", ""),
    ] {
        let value = format!("{flag}={value}");
        run(&[&value, "guest.wasm"]).stderr(contains(flag).and(contains("invalid value")));
    }
}

const PAGE: &str = "examples/stream/README.md";

/// Records per second of a program that reads the file `input` of `lines` records and writes as many.
fn speed(mut run: Command, input: &Path, lines: usize) -> f64 {
    let start = Instant::now();
    let output = run.stdin(File::open(input).unwrap()).output().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), lines);
    lines as f64 / seconds
}

/// Compares what is measured to the table of the page. With `SNAPSHOTS=overwrite` it writes the table.
#[test]
fn the_speed_on_the_page_is_near() {
    let dir = tempfile::tempdir().unwrap();
    let file = |lines: usize| {
        let record = |i| json!({"key": format!("{}", i % 100), "value": {"celsius": i % 50}});
        let text: String = (0..lines).map(|i| format!("{}\n", record(i))).collect();
        let path = dir.path().join(format!("{lines}.jsonl"));
        fs::write(&path, text).unwrap();
        path
    };
    let native = ["build", "--release", "--package", "stream_guest", "--example", "native"];
    let native = artifacts(command("cargo", &root()).args(native));
    let native = native.into_iter().find(|file| file.file_stem().is_some_and(|f| f == "native"));
    let lines = 200_000;
    let mut measured = vec![speed(Command::new(native.unwrap()), &file(lines), lines)];
    let guest = guest_with("stream_guest", TARGET, &["--release"]);
    for workers in ["1", "2"] {
        let run = |lines| {
            let mut run = Command::new(host("stream_host").get_program());
            run.args(["--workers", workers]).arg(&guest).current_dir(root());
            speed(run, &file(lines), lines)
        };
        run(1); // now the compiled guest is in the cache
        measured.push(run(2000));
    }
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let (start, end) = ("| what runs it | records per second |\n|---|---|\n", "\n\n");
    let from = page.find(start).expect("the table") + start.len();
    let to = from + page[from..].find(end).unwrap();
    let mut rows = Vec::new();
    let mut far = Vec::new();
    for (row, measured) in page[from..to].lines().zip(measured) {
        let (name, number) = row.trim_matches(['|', ' ']).split_once(" | ").unwrap();
        let digits = 10_f64.powi(measured.log10() as i32 - 1); // all but the first two are noise
        rows.push(format!("| {name} | {:.0} |", (measured / digits).round() * digits));
        let written: f64 = number.parse().unwrap();
        if !(0.1..10.0).contains(&(measured / written)) {
            far.push(format!("{name}: {written} on the page, {measured:.0} here"));
        }
    }
    assert_eq!(rows.len(), 3, "{rows:?}");
    if std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        let text = format!("{}{}{}", &page[..from], rows.join("\n"), &page[to..]);
        fs::write(root().join(PAGE), text).unwrap();
    } else {
        assert!(far.is_empty(), "{PAGE}: {far:?}");
    }
}

/// A NATS server with JetStream, which stores in a folder of its own; killed when it is dropped.
struct Nats {
    dir: tempfile::TempDir,
    server: Child,
    port: u16,
}

impl Nats {
    /// A server on a free port, or `None`, and a line that says so, where `nats-server` is missing.
    fn start(what: &str) -> Option<Self> {
        installed("nats-server", format!("stream, {what}")).then(|| {
            let dir = tempfile::tempdir().unwrap();
            let (server, port) = Self::serve(dir.path(), "-1");
            Self { dir, server, port }
        })
    }

    fn serve(dir: &Path, port: &str) -> (Child, u16) {
        let mut server = Command::new("nats-server")
            .args(["-js", "-a", "127.0.0.1", "-p", port, "-sd"])
            .arg(dir)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(server.stderr.take().unwrap());
        let port = in_time(move || {
            let mut port = None;
            let mut line = String::new();
            while !line.contains("Server is ready") {
                line.clear();
                assert!(log.read_line(&mut line).unwrap() > 0, "it does not start");
                if let Some((_, found)) = line.split_once("client connections on 127.0.0.1:") {
                    port = Some(found.trim().parse().unwrap());
                }
            }
            thread::spawn(move || io::copy(&mut log, &mut io::sink())); // so that it never waits
            port.unwrap()
        });
        (server, port)
    }

    /// Kills the server and starts it again on what it has stored.
    fn restart(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        (self.server, _) = Self::serve(self.dir.path(), &self.port.to_string());
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Runs the host of this server with `args` to its end.
    fn run(&self, args: &[&str]) -> Assert {
        let mut host = host("stream_nats_host");
        host.args(args).env("NATS_URL", self.url()).timeout(LIMIT).assert()
    }

    fn send(&self, records: String) {
        let count = records.lines().count();
        let mut host = host("stream_nats_host");
        let sent = host.arg("send").env("NATS_URL", self.url()).write_stdin(records).assert();
        sent.success().stderr("").stdout(format!("{count} records sent\n"));
    }

    fn worker(&self, args: &[&str], guest: &Path) -> Worker {
        host("stream_host"); // so that it is built and stands beside the other one
        let worker = Command::new(host("stream_nats_host").get_program())
            .arg("work")
            .arg(guest)
            .args(args)
            .current_dir(root())
            .env("NATS_URL", self.url())
            .env("RUST_BACKTRACE", "0")
            .stderr(Stdio::piped())
            .spawn();
        Worker(worker.unwrap())
    }

    /// The numbers that `status` prints, by their names.
    fn status(&self, args: &[&str]) -> BTreeMap<String, usize> {
        let status = self.run(&[&["status"], args].concat()).success();
        let text = String::from_utf8(status.get_output().stdout.clone()).unwrap();
        let numbers = text.lines().map(|line| line.rsplit_once(' ').unwrap());
        numbers.map(|(name, n)| (name.trim().to_owned(), n.parse().unwrap())).collect()
    }

    /// Waits until there are `count` results.
    fn results(&self, count: usize) {
        let start = Instant::now();
        while self.status(&[])["results"] < count {
            assert!(start.elapsed() < LIMIT, "{:?}, {}", self.status(&[]), self.consumer());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until no record is left; returns the other numbers.
    #[track_caller]
    fn done(&self) -> BTreeMap<String, usize> {
        let start = Instant::now();
        loop {
            let mut status = self.status(&[]);
            if status.remove("records left") == Some(0) {
                break status;
            }
            assert!(start.elapsed() < LIMIT, "{status:?}, {}", self.consumer());
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn read(&self, args: &[&str]) -> Vec<Value> {
        let read = self.run(&[&["read"], args].concat()).success();
        parsed(&read.get_output().stdout)
    }

    /// The answer to a request, in the protocol of NATS itself, which is text.
    fn request(&self, subject: &str, payload: &str) -> Value {
        let mut server = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).unwrap());
        let size = payload.len();
        let request =
            format!("CONNECT {{}}\r\nSUB inbox 1\r\nPUB {subject} inbox {size}\r\n{payload}\r\n");
        server.get_mut().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        while !line.starts_with("MSG ") {
            line.clear();
            assert!(server.read_line(&mut line).unwrap() > 0, "{subject}: no answer");
        }
        line.clear();
        server.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// What the server knows of the consumer of all workers.
    fn consumer(&self) -> Value {
        self.request("$JS.API.CONSUMER.INFO.records.results", "")
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A worker while it runs; killed when it is dropped.
struct Worker(Child);

impl Worker {
    /// Sends it a signal, such as `-TERM`.
    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.0.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end; returns its status and its errors.
    fn ends(mut self) -> (Option<i32>, String) {
        let mut stderr = self.0.stderr.take().unwrap();
        let errors = in_time(move || {
            let mut errors = String::new();
            stderr.read_to_string(&mut errors).unwrap();
            errors
        });
        (self.0.wait().unwrap().code(), errors)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// So many records of `keys` keys in turn.
fn counted(records: usize, keys: usize) -> String {
    let record = |i| json!({"key": format!("key.{}", i % keys), "value": {"celsius": i % 50}});
    (0..records).map(|i| format!("{}\n", record(i))).collect()
}

/// Checks that each key was counted from 1 on without a gap, that all records were, and none twice.
#[track_caller]
fn complete(results: &[Value], records: usize) {
    let mut counts = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for result in results {
        let count = counts.entry(result["key"].as_str().unwrap()).or_insert(0);
        *count += 1;
        assert_eq!(result["value"]["count"], *count, "{result}");
        assert!(ids.insert(result["id"].as_str().unwrap()), "twice: {result}");
    }
    assert_eq!(results.len(), records);
}

#[test]
fn a_stream_of_nats_is_worked_on_in_the_order_of_its_keys() {
    let Some(nats) = Nats::start("one worker") else { return };
    nats.send(counted(2000, 70));
    assert_eq!(nats.status(&[])["records left"], 2000);
    let worker = nats.worker(&[], &guest("stream_count_guest", TARGET));
    let status = nats.status(&["--wait"]);
    assert_eq!(Vec::from_iter(status.values()), [&0, &0, &2000]); // dead letters, records left, results
    complete(&nats.read(&[]), 2000);
    let results = nats.request("$JS.API.STREAM.INFO.results", "");
    assert_eq!(results["config"]["duplicate_window"], 120_000_000_000_u64); // nanoseconds, as on the page
    // What was in its hands is finished when it is told to stop.
    nats.send(counted(2000, 70));
    nats.results(2500);
    worker.signal("-TERM");
    assert_eq!(worker.ends(), (Some(0), String::new()));
    assert_eq!(nats.consumer()["num_ack_pending"], 0);
    // Another one goes on where it stopped.
    let _worker = nats.worker(&[], &guest("stream_count_guest", TARGET));
    nats.done();
    complete(&nats.read(&[]), 4000);
}

#[test]
fn a_value_passes_through_nats_as_it_was_written() {
    let Some(nats) = Nats::start("a value as it was written") else { return };
    let _worker = nats.worker(&[], &guest("stream_filter_guest", TARGET));
    let value = r#"{"z":12345678901234567890.10, "celsius":1e3, "a":"\u00fc"}"#;
    nats.send(format!("{{\"key\": \"k\", \"value\": {value}}}\n"));
    nats.results(1);
    let read = nats.run(&["read"]).success();
    read.stdout(predicates::str::ends_with(format!(",\"key\":\"k\",\"value\":{value}}}\n")));
}

#[test]
fn workers_may_be_killed_at_any_time() {
    let Some(nats) = Nats::start("three workers") else { return };
    // A hundred kills and 100,000 records take some minutes: RECORDS=100000.
    let records = std::env::var("RECORDS").map_or(5_000, |records| records.parse().unwrap());
    let kills = records / 1000;
    let guest = guest_with("stream_count_guest", TARGET, &["--release"]);
    let start = || nats.worker(&["--ack-wait", "1"], &guest);
    nats.send(String::new()); // now there is a stream to ask about
    let mut workers = [start(), start(), start()];
    let random = RandomState::new();
    thread::scope(|scope| {
        scope.spawn(|| nats.send(counted(records, records / 20)));
        for kill in 0..kills {
            nats.results((records * kill + records / 2) / kills);
            let unlucky = random.hash_one(kill) % 3;
            workers[unlucky as usize] = start(); // the one that was there is dropped, and so killed
        }
    });
    nats.done();
    complete(&nats.read(&[]), records);
    assert!(nats.read(&["--dead"]).is_empty());
    let redelivered = nats.consumer()["delivered"]["consumer_seq"].as_u64().unwrap();
    assert!(redelivered as usize > records, "no record was in the hands of those that were killed");
}

#[test]
fn the_server_may_be_killed() {
    let Some(mut nats) = Nats::start("a server that is killed") else { return };
    nats.send(counted(3000, 100));
    let guest = guest("stream_count_guest", TARGET);
    let workers = [(); 2].map(|()| nats.worker(&["--ack-wait", "1"], &guest));
    for count in [500, 1500] {
        nats.results(count);
        nats.restart();
    }
    nats.done();
    complete(&nats.read(&[]), 3000);
    for worker in workers {
        worker.signal("-TERM");
        let (status, errors) = worker.ends();
        assert_eq!(status, Some(0));
        assert_eq!(errors.matches("host: nats: disconnected\n").count(), 2, "{errors}");
        assert_eq!(errors.matches("host: nats: connected\n").count(), 2, "{errors}");
    }
}

#[test]
fn poison_in_a_stream_of_nats_becomes_a_dead_letter() {
    let Some(nats) = Nats::start("dead letters") else { return };
    let worker = nats.worker(&[], &guest("stream_poison_guest", TARGET));
    nats.send((1..=50).map(|i| format!("{}\n", json!({"key": "k", "value": i}))).collect());
    let ack = nats.request("records.k", "{\"no\": JSON");
    assert_eq!(ack["seq"], 51, "{ack}");
    nats.request("records.k", "[1,\n 2]");
    let status = nats.done();
    assert_eq!(Vec::from_iter(status.values()), [&6, &46]);
    let counts: Vec<_> = nats.read(&[]).iter().map(|r| r["value"].as_u64().unwrap()).collect();
    assert_eq!(counts, Vec::from_iter(1..=46));
    let letters = nats.read(&["--dead"]);
    for (letter, id) in letters.iter().zip([10, 20, 30, 40, 50]) {
        assert_eq!((&letter["id"], &letter["value"]), (&json!(id), &json!(id)));
        assert!(letter["reason"].as_str().unwrap().contains("every tenth record"), "{letter}");
    }
    let letter = json!({"id": 51, "key": "k", "text": "{\"no\": JSON", "reason": "not JSON"});
    assert_eq!(letters[5], letter);
    // A result that the server has no room for.
    nats.send(records(&[json!("large"), json!(1)]));
    nats.done();
    let letters = nats.read(&["--dead"]);
    let reason = letters[6]["reason"].as_str().unwrap();
    assert!(reason.contains("bytes"), "{reason}");
    assert_eq!(nats.read(&[])[46]["value"], 47);
    // A reason, and a payload as a text, that it has no room for: neither may hold up its key.
    nats.request("records.k", &"\0".repeat(300_000));
    nats.send(records(&[json!("essay"), json!(1)]));
    nats.done();
    let letters = nats.read(&["--dead"]);
    let reason = "not JSON; the record is too large for a dead letter";
    assert_eq!(letters[7], json!({"id": 55, "key": "k", "reason": reason}));
    assert_eq!((&letters[8]["id"], &letters[8]["value"]), (&json!(56), &json!("essay")));
    assert!(letters[8].to_string().len() < 1000, "{}", letters[8]);
    assert_eq!(nats.read(&[])[47]["value"], 48);
    worker.signal("-TERM");
    assert_eq!(worker.ends(), (Some(0), String::new()));
}

#[test]
fn a_dead_letter_is_one_line_with_a_short_reason_whatever_the_host_says() {
    let Some(nats) = Nats::start("what a host says") else { return };
    nats.send(records(&[json!("x")]));
    nats.request("records.k", "[1,\n 2]");
    // In the place of `stream_host`, one that refuses all records and says very much about each.
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("host");
    let text = r#"reason=$(head -c 2000000 /dev/zero | tr '\0' x)
        while read -r record; do echo "{\"ack\":1,\"reason\":\"$reason\"}"; done"#;
    fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
    assert!(Command::new("chmod").arg("700").arg(&script).status().unwrap().success());
    let worker = nats.worker(&["--host", script.to_str().unwrap()], Path::new("guest.wasm"));
    nats.done();
    let reason = "x".repeat(500);
    let letter = |id, value: Value| json!({"id": id, "key": "k", "value": value, "reason": reason});
    let expected = [letter(1, json!("x")), letter(2, json!([1, 2]))];
    assert_eq!(nats.read(&["--dead"]), expected);
    worker.signal("-TERM");
    assert_eq!(worker.ends(), (Some(0), String::new()));
}

#[test]
fn a_slow_guest_keeps_its_record() {
    let Some(nats) = Nats::start("a slow guest") else { return };
    let guest = guest("stream_poison_guest", TARGET);
    let args = ["--ack-wait", "1", "--", "--timeout", "3", "--retries", "0"];
    let _workers = [(); 2].map(|()| nats.worker(&args, &guest));
    nats.send(records(&[json!("loop")]));
    nats.done();
    let letters = nats.read(&["--dead"]);
    assert_eq!(letters[0]["reason"], "failed: it took longer than 3s");
    // A second worker would have got the same letter, which the server knows. But there was none.
    assert_eq!(nats.consumer()["delivered"]["consumer_seq"], 1);
    nats.send(records(&[json!(1)]));
    nats.done();
    assert_eq!(nats.read(&[])[0]["value"], 1);
}

#[test]
fn a_host_that_ends_ends_its_worker_and_loses_nothing() {
    let Some(nats) = Nats::start("a host that is killed") else { return };
    let guest = guest("stream_count_guest", TARGET);
    let worker = nats.worker(&["--ack-wait", "1"], &guest);
    nats.send(counted(1000, 50));
    nats.results(200);
    let children = format!("/proc/{0}/task/{0}/children", worker.0.id());
    if let Ok(children) = fs::read_to_string(children) {
        let killed = Command::new("kill").arg("-KILL").arg(children.trim()).status();
        assert!(killed.unwrap().success());
        let (status, errors) = worker.ends();
        assert_eq!(status, Some(1));
        assert!(errors.ends_with("Error: the host has ended: signal: 9 (SIGKILL)\n"), "{errors}");
    }
    let _worker = nats.worker(&["--ack-wait", "1"], &guest);
    nats.done();
    complete(&nats.read(&[]), 1000);
}

#[test]
fn a_stream_that_is_made_again_is_worked_on_again() {
    let Some(nats) = Nats::start("a stream made again") else { return };
    let _worker = nats.worker(&[], &guest("stream_count_guest", TARGET));
    nats.send(counted(10, 1));
    nats.done();
    drop(_worker);
    let gone = nats.request("$JS.API.STREAM.DELETE.records", "");
    assert_eq!(gone["success"], true, "{gone}");
    let _worker = nats.worker(&[], &guest("stream_count_guest", TARGET));
    nats.send(counted(10, 1));
    nats.done();
    complete(&nats.read(&[]), 20); // the states are another stream
}

#[test]
fn a_state_that_was_thrown_away_holds_nothing_up() {
    let Some(nats) = Nats::start("states that are thrown away") else { return };
    let guest = guest("stream_count_guest", TARGET);
    let _workers = [(); 2].map(|()| nats.worker(&["--ack-wait", "1"], &guest));
    nats.send(counted(100, 5));
    nats.done();
    let gone = nats.request("$JS.API.STREAM.PURGE.records+results-states", "");
    assert_eq!(gone["purged"], 5, "{gone}");
    nats.send(counted(100, 5));
    nats.done();
    let results = nats.read(&[]);
    let (before, after) = results.split_at(100);
    complete(before, 100);
    complete(after, 100);
}

#[test]
fn two_steps_on_one_stream_have_nothing_in_common() {
    let Some(nats) = Nats::start("two steps") else { return };
    nats.send(counted(300, 10));
    let _counting = nats.worker(&[], &guest("stream_count_guest", TARGET));
    let _filtering = nats.worker(&["--to", "hot"], &guest("stream_filter_guest", TARGET));
    for (to, results) in [("results", 300), ("hot", 120)] {
        let status = nats.status(&["--wait", "--to", to]);
        assert_eq!(
            status,
            [("dead letters", 0), ("records left", 0), ("results", results)]
                .map(|(name, n)| (name.to_owned(), n))
                .into()
        );
    }
    complete(&nats.read(&[]), 300);
    assert!(
        nats.read(&["--to", "hot"]).iter().all(|hot| hot["value"]["celsius"].as_u64() >= Some(30))
    );
}

#[test]
fn the_options_of_the_host_can_be_given_again() {
    let Some(nats) = Nats::start("options of the host") else { return };
    let guest = guest("stream_poison_guest", TARGET);
    let _worker = nats.worker(&["--", "--max-line-size", "100"], &guest);
    nats.send(records(&[json!("x".repeat(100)), json!(1)]));
    let status = nats.done();
    assert_eq!(Vec::from_iter(status.values()), [&1, &1]);
    assert_eq!(nats.read(&["--dead"])[0]["reason"], "a line of more than 100 bytes");
}

#[test]
fn a_record_is_sent_when_its_line_is_there() {
    let Some(nats) = Nats::start("a pipe that stays open") else { return };
    nats.send(String::new()); // now there is a stream to ask about
    let url = nats.url();
    let start = || Running::start("stream_nats_host", &["--nats", &url], Path::new("send"));
    let mut sending = start();
    for count in 1..=3 {
        sending.write(&records(&[json!(count)]));
        let start = Instant::now();
        while nats.status(&[])["records left"] < count {
            assert!(start.elapsed() < LIMIT, "{:?}", nats.status(&[]));
            thread::sleep(Duration::from_millis(50));
        }
    }
    sending.stdin = None;
    assert_eq!(sending.line(), "3 records sent\n");
    assert!(sending.ends().0.success());
    // A line that is wrong ends it, though more could come.
    let mut sending = start();
    sending.write(&(records(&[json!(1)]) + "no record\n"));
    let (status, errors) = sending.ends();
    assert_eq!(status.code(), Some(1));
    assert!(errors.starts_with("Error: line 2 is not a record\n"), "{errors}");
}

#[test]
fn a_worker_that_stood_still_overwrites_nothing() {
    let Some(nats) = Nats::start("a worker that stands still") else { return };
    let guest = guest("stream_count_guest", TARGET);
    let still = nats.worker(&["--ack-wait", "1"], &guest);
    nats.send(counted(1500, 50));
    nats.results(300);
    still.signal("-STOP");
    let _other = nats.worker(&["--ack-wait", "1"], &guest);
    nats.done(); // also of what is in the hands of the first one
    still.signal("-CONT");
    nats.send(counted(500, 50));
    nats.done();
    complete(&nats.read(&[]), 2000);
}

#[test]
fn a_stream_may_drop_what_is_finished() {
    let Some(nats) = Nats::start("a stream that drops") else { return };
    let config = json!({"name": "records", "subjects": ["records.>"], "retention": "workqueue"});
    let made = nats.request("$JS.API.STREAM.CREATE.records", &config.to_string());
    assert_eq!(made["config"]["retention"], "workqueue", "{made}");
    nats.send(counted(800, 20));
    let _workers =
        [(); 3].map(|()| nats.worker(&["--ack-wait", "5"], &guest("stream_count_guest", TARGET)));
    nats.done();
    complete(&nats.read(&[]), 800);
    let left = nats.request("$JS.API.STREAM.INFO.records", "");
    assert_eq!(left["state"]["messages"], 0, "{left}");
}

#[test]
fn what_a_worker_needs_is_said_in_one_line() {
    let run = |args: &[&str], input: &str| {
        host("stream_nats_host").args(args).write_stdin(input).timeout(LIMIT).assert()
    };
    let guest = guest("stream_count_guest", TARGET);
    let guest = guest.to_str().unwrap();
    let first =
        "Error: cannot reach a NATS server at 127.0.0.1:1: start it, or check the address\n";
    for args in [&["work", guest][..], &["send"], &["read"], &["status"]] {
        let refused = run(&[args, &["--nats", "nats://me:secret@127.0.0.1:1"]].concat(), "");
        refused.code(1).stdout("").stderr(starts_with(first).and(contains("secret").not()));
    }
    for (args, first) in [
        (&["--nats", "nats://a b"][..], "Error: --nats is not a URL"),
        (&["--from", "a.b"], "error: invalid value 'a.b' for '--from <NAME>': use letters"),
        (&["--to", ""], "error: invalid value '' for '--to <NAME>': use letters"),
    ] {
        run(&[args, &["status"]].concat(), "").failure().stderr(starts_with(first));
    }
    run(&["work", "--in-flight", "0", guest], "").code(2);
    run(&["work", "--ack-wait", "0", guest], "").code(2);

    let Some(nats) = Nats::start("what a worker refuses") else { return };
    let url = nats.url();
    let send = |input: &str| run(&["send", "--nats", &url], input);
    let good = "{\"key\": \"k\", \"value\": 1}\n";
    send(&format!("{good}no record\n"))
        .code(1)
        .stdout("1 records sent\n")
        .stderr(starts_with("Error: line 2 is not a record\n"));
    for key in ["a b", "a..b", "*", "a.>", "", "\n"] {
        let record = json!({"key": key, "value": 1}).to_string();
        let refused = send(&record).code(1).stdout("0 records sent\n");
        refused.stderr(contains(format!("no subject can end with the key {}", json!(key))));
    }
    let work = |args: &[&str]| run(&[&["work", "--nats", &url], args].concat(), "").code(1);
    work(&["--host", "missing", guest]).stderr(starts_with(
        "Error: cannot start missing: cargo build --package stream_host, or --host PATH\n",
    ));
    host("stream_host");
    work(&["missing.wasm"]).stderr(
        starts_with("Error: cannot read missing.wasm: check the path, or build the guest first\n")
            .and(contains("\nError: the host has ended: exit status: 1\n")),
    );
    work(&["--to", "records", guest]).stderr(starts_with(
        "Error: --from and --to are both records: a step would work on its own",
    ));
    work(&[guest, "--", "--workers", "0"]).stderr(
        starts_with("error: invalid value '0' for '--workers <COUNT>'")
            .and(contains("\nError: the host has ended: exit status: 2\n")),
    );
    run(&["read", "--nats", &url], "").success();
    for args in [&["status", "--from", "recods"][..], &["status", "--from", "recods", "--wait"]] {
        run(&[args, &["--nats", &url]].concat(), "")
            .code(1)
            .stdout("")
            .stderr(starts_with("Error: there is no stream recods: send records first\n"));
    }
    assert_eq!(nats.request("$JS.API.STREAM.INFO.recods", "")["error"]["code"], 404);
    run(&["read", "--from", "other", "--dead", "--nats", &url], "").code(1).stderr(starts_with(
        "Error: there is no stream other+results-dead: start a worker first\n",
    ));
}

/// Runs the script of the page at `dir` to its end.
#[cfg(unix)]
fn script(dir: &Path, args: &[&str], path: Option<&str>) -> Assert {
    let paths = std::env::var_os("PATH").unwrap();
    let bash =
        std::env::split_paths(&paths).map(|dir| dir.join("bash")).find(|bash| bash.is_file());
    let mut script = assert_cmd::Command::new(bash.unwrap());
    script.arg(root().join("examples/stream/nats.sh")).args(args).current_dir(dir).timeout(LIMIT);
    script.env("PATH", path.map_or(paths, Into::into)).assert()
}

#[cfg(unix)]
#[test]
fn the_script_of_the_page_waits_for_nothing_that_does_not_come() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for args in [&[][..], &[""], &["0"], &["-1"], &["three"]] {
        let error = "error: say how many workers, 1 to 99: bash examples/stream/nats.sh 3\n";
        script(dir, args, None).code(2).stdout("").stderr(error);
    }
    let error = "error: nats-server is not installed\n";
    script(dir, &["1"], Some("/nowhere")).code(1).stdout("").stderr(error);
    if !installed("nats-server", "stream, the script of the page") {
        return;
    }
    // The files that it needs, one after the other.
    let guest = "target/wasm32-wasip2/debug/stream_count_guest.wasm";
    let mut files = vec![(guest.to_owned(), None)];
    for package in ["stream_host", "stream_nats_host"] {
        let program = host(package).get_program().to_owned();
        files.push((format!("target/debug/{package}"), Some(program)));
    }
    for (file, program) in files {
        let error =
            format!("error: there is no {file}: build it as examples/stream/README.md does\n");
        script(dir, &["1"], None).code(1).stdout("").stderr(error);
        let file = dir.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        match program {
            Some(program) => std::os::unix::fs::symlink(program, file).unwrap(),
            None => fs::write(file, "oops").unwrap(),
        }
    }
    // All are there, and no worker can do anything with such a guest.
    for workers in ["1", "2"] {
        let ended = script(dir, &[workers], None).code(1).stdout("3000 records sent\n");
        ended.stderr(contains("error: the server or a worker has ended\n"));
    }
}
