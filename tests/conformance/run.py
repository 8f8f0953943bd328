"""Runs the official test suite of WASI, WebAssembly/wasi-testsuite, with
`runner_host` and `http_host`.

The suite is not in this repository. It has tests for preview 1 and for WASI 0.3, none for 0.2, and
the branch named below has them built, 250 MB. adapter.py says how a test is started, and
expectations.toml which ones fail and for what reason. A test that fails and should pass, one that
passes and should fail, and one that is new or gone, make the run fail.
Run: just conformance PATH
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GET = (
    "git clone --depth 1 --branch prod/testsuite-base"
    " https://github.com/WebAssembly/wasi-testsuite"
)
PYTHONS = ["python3", "python3.14", "python3.13", "python3.12"]


def main(suite):
    if not (suite / "run-tests").is_file() or not any(suite.glob("tests/*/testsuite/*/*.wasm")):
        sys.exit(f"error: give the path of the suite, with its tests built: {GET}")
    runner, target = build(["--package", "runner_host"])
    http, _ = build(["--manifest-path", "hosts/http/Cargo.toml"])
    python = environment(target)
    if sys.version_info < (3, 12):
        os.execv(python, [python, *sys.argv])
    results, log = target / "results.json", target / "log.txt"
    print(f"running the suite, for some minutes; {log} grows meanwhile", flush=True)
    results.unlink(missing_ok=True)
    with log.open("wb") as output:
        subprocess.run(
            [python, suite / "run-tests", "--verbose", "--disable-colors"]
            + ["--runtime-adapter", HERE / "adapter.py"]
            + ["--expectations", HERE / "expectations.toml"]
            + ["--json-output-location", results],
            env=os.environ | {"RUNNER_HOST": runner, "HTTP_HOST": http, "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if not results.is_file():
        sys.exit(f"error: the suite's runner came to no end, see {log}")
    suites = json.loads(results.read_text(encoding="utf-8"))["results"]
    differences = compare(suites, expectations())
    for difference in differences:
        print(f"different: {difference}")
    sys.exit(f"error: {len(differences)} differences, see {log}" if differences else 0)


def build(package):
    """Builds a host. Returns its path, and that of a folder below cargo's for what is made here."""
    cargo = ["cargo", "build", "--quiet", *package]
    cargo += ["--message-format", "json-render-diagnostics"]
    built = subprocess.run(cargo, cwd=ROOT, stdout=subprocess.PIPE)
    if built.returncode:
        sys.exit(built.returncode)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    host = next(m["executable"] for m in messages if m.get("executable"))
    target = Path(host).parents[1] / "conformance"
    target.mkdir(exist_ok=True)
    return host, target


def environment(target):
    """A Python as the suite's runner needs it, with its two packages. It is made once."""
    venv = target / "venv"
    python = venv / "bin/python"
    new_enough = "import sys; sys.exit(sys.version_info < (3, 12))"
    if not runs(python, f"import colorama, requests; {new_enough}"):
        found = next((name for name in PYTHONS if runs(name, new_enough)), None)
        if not found:
            sys.exit("error: the suite's runner needs Python 3.12 or later: install a `python3.12`")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in [[found, "-m", "venv", "--clear", venv], [*pip, "colorama", "requests"]]:
            if subprocess.run(command).returncode:
                sys.exit("error: cannot make a Python with colorama and requests, see above")
    return python


def runs(python, code):
    try:
        return subprocess.run([python, "-c", code], capture_output=True).returncode == 0
    except OSError:
        return False


def expectations():
    import tomllib  # not in the Python that starts this, perhaps

    text = (HERE / "expectations.toml").read_text(encoding="utf-8")
    return {suite["name"]: suite for suite in tomllib.loads(text)["suite"]}


def compare(suites, expected):
    """Prints what the tests of each suite came to. Returns the differences, a line each."""
    differences = []
    ran = {suite["name"]: suite for suite in suites if suite["tests"]}
    differences += [f"the suite `{name}` is not there" for name in expected.keys() - ran.keys()]
    for name, suite in ran.items():
        if name not in expected:
            differences.append(f"the suite `{name}` is new: add it to expectations.toml")
            continue
        tests = {test["name"]: test for test in suite["tests"]}
        by = {o: [n for n in tests if tests[n]["outcome"] == o] for o in OUTCOMES}
        counts = [f"{len(by[o])} {words}" for o, words in OUTCOMES.items() if by[o] or o == "pass"]
        print(f"{name}: {', '.join(counts)}")
        because = {test["name"]: test["because"] for test in expected[name].get("test", [])}
        for test in sorted(by["xfail"]):
            print(f"  {test} fails as expected: {because[test]}")
        for test in sorted(by["fail"]):
            reason = " ".join(tests[test]["failures"]).split("\n\n")[0]
            differences.append(f"{test} fails: {reason}")
        for test in sorted(by["xpass"]):
            differences.append(f"{test} passes and should fail: strike it off expectations.toml")
        for test in sorted(because.keys() - tests.keys()):
            differences.append(f"{test} is gone: strike it off expectations.toml")
        for outcome in ["pass", "skip"]:
            was, found = expected[name].get(outcome, 0), len(by[outcome])
            if was != found:
                differences.append(f"{name}: {found} {OUTCOMES[outcome]}, expected {was}")
    return differences


OUTCOMES = {
    "pass": "passed",
    "fail": "failed",
    "xfail": "failed as expected",
    "xpass": "passed unexpectedly",
    "skip": "skipped",
}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("/dev/null"))
