// Runs one guest, and is ended by the page when it is done or takes too long. The guest computes here and
// not in the page, which therefore stays alive whatever the guest does.
// Notice the five steps; they are those of a host with wasmtime.

import * as cli from "./npm/@bytecodealliance/preview2-shim/dist/browser/cli.js";
import * as clocks from "./npm/@bytecodealliance/preview2-shim/dist/browser/clocks.js";
import * as filesystem from "./npm/@bytecodealliance/preview2-shim/dist/browser/filesystem.js";
import * as io from "./npm/@bytecodealliance/preview2-shim/dist/browser/io.js";
import * as random from "./npm/@bytecodealliance/preview2-shim/dist/browser/random.js";
import * as sockets from "./npm/@bytecodealliance/preview2-shim/dist/browser/sockets.js";
import { writeToPreview2Output } from "./npm/@bytecodealliance/preview3-shim/dist/browser/streams.js";
import * as preview1 from "./npm/@bjorn3/browser_wasi_shim/dist/index.js";

/** How many characters a guest may print. */
const MOST_OUTPUT = 1 << 20;
/** As how many characters the smallest piece counts: the page has work with each, even with an empty one. */
const PIECE = 16;
/** What a guest may leave in files: the page shows each of them. */
const MOST_FILES = 1_000;
const MOST_BYTES = 4 << 20;
/** A status that is larger, or negative, is an error in wasmtime, too. */
const MOST_STATUS = 125;

const bytes = (text) => new TextEncoder().encode(text);

/** A module, preview 1 or 0: its status, when `_start` has ended. */
async function runModule({ guest, args, env, stdin, files }, print) {
    // 1. Engine: the browser's own.
    // 2. Code: a module is compiled while it arrives.
    const module = await WebAssembly.compileStreaming(fetch(guest));

    // 4. Store: what this guest may use. Whatever is not named here it does not have.
    const granted = Object.entries(files).map(([name, content]) => {
        const root = preview1FolderOf(content);
        return { root, descriptor: new preview1.PreopenDirectory(name, root.contents), name };
    });
    const wasi = new preview1.WASI(args, Object.entries(env).map(([name, value]) => `${name}=${value}`), [
        new preview1.OpenFile(new preview1.File(bytes(stdin))),
        new preview1.ConsoleStdout(print("stdout")),
        new preview1.ConsoleStdout(print("stderr")),
        ...granted.map(({ descriptor }) => descriptor),
    ]);

    // 3. Linker: preview 0 has the same functions under another name, but for those that were changed.
    const { fd_seek, fd_filestat_get, path_filestat_get, poll_oneoff, ...unchanged } = wasi.wasiImport;
    const imports = { wasi_snapshot_preview1: wasi.wasiImport, wasi_unstable: unchanged };

    // 5. Instantiate and call.
    const instance = await WebAssembly.instantiate(module, imports);
    const status = wasi.start(instance);
    if (status < 0 || status > MOST_STATUS) throw new Error(`it exited with ${status}: the largest status is ${MOST_STATUS}`);
    return [status, granted.map(({ name, root }) => [name, preview1FilesOf(root)])];
}

/** A component that jco made into JavaScript: a command of WASI 0.2 or 0.3, or a library with a script. */
async function runComponent({ guest, args, env, stdin, files }, print, script) {
    // 2. Code: `instantiate` asks for the modules that are inside of the component.
    const { instantiate } = await import(guest);
    const module = (name) => WebAssembly.compileStreaming(fetch(new URL(name, guest)));

    // 4. Store: as above, with what the world wasi:cli/command of WASI 0.2 asks for.
    let rest = bytes(stdin);
    const read = (most) => {
        if (rest.length === 0) throw { tag: "closed" };
        const piece = rest.slice(0, Number(most));
        rest = rest.slice(piece.length);
        return piece;
    };
    const granted = Object.entries(files).map(([name, content]) => [name, preview2FolderOf(content)]);
    const system = cli.createCli({
        arguments: args,
        environment: env,
        stdin: { read, blockingRead: read, subscribe: () => io.pollableCreate() },
        stdout: { write: print("stdout"), flush() {}, blockingFlush() {} },
        stderr: { write: print("stderr"), flush() {}, blockingFlush() {} },
    });
    const disk = filesystem.createFilesystem({
        adapter: new filesystem.InMemoryFilesystemAdapter(),
        preopens: Object.fromEntries(granted),
    });

    // 3. Linker: an object for each interface. What WASI 0.3 has under the names of WASI 0.2 stands in the
    //    same object, and what is async there is an async function here.
    const written = (output) => async (stream) => {
        await writeToPreview2Output(stream, output);
        return { tag: "ok" };
    };
    const wait = async (nanoseconds) => {
        const end = performance.now() + Number(nanoseconds) / 1e6;
        const longest = 2 ** 31 - 1; // of a timer, which fires at once when it is given more
        for (let left; (left = end - performance.now()) > 0; ) {
            await new Promise((done) => setTimeout(done, Math.min(left, longest)));
        }
    };
    const imports = {
        "wasi:cli/environment": system.environment,
        "wasi:cli/exit": system.exit,
        "wasi:cli/stdin": system.stdin,
        "wasi:cli/stdout": { ...system.stdout, writeViaStream: written(system.stdout.getStdout()) },
        "wasi:cli/stderr": { ...system.stderr, writeViaStream: written(system.stderr.getStderr()) },
        "wasi:cli/terminal-input": system.terminalInput,
        "wasi:cli/terminal-output": system.terminalOutput,
        "wasi:cli/terminal-stdin": system.terminalStdin,
        "wasi:cli/terminal-stdout": system.terminalStdout,
        "wasi:cli/terminal-stderr": system.terminalStderr,
        "wasi:clocks/monotonic-clock": { ...clocks.monotonicClock, waitFor: wait },
        "wasi:clocks/system-clock": clocks.wallClock,
        "wasi:clocks/wall-clock": clocks.wallClock,
        "wasi:filesystem/preopens": disk.preopens,
        "wasi:filesystem/types": disk.types,
        "wasi:io/error": io.error,
        "wasi:io/poll": io.poll,
        "wasi:io/streams": io.streams,
        "wasi:random/random": random.random,
        "wasi:random/insecure": random.insecure,
        "wasi:random/insecure-seed": random.insecureSeed,
        "wasi:sockets/instance-network": sockets.instanceNetwork,
        "wasi:sockets/ip-name-lookup": sockets.ipNameLookup,
        "wasi:sockets/network": sockets.network,
        "wasi:sockets/tcp": sockets.tcp,
        "wasi:sockets/tcp-create-socket": sockets.tcpCreateSocket,
        "wasi:sockets/udp": sockets.udp,
        "wasi:sockets/udp-create-socket": sockets.udpCreateSocket,
        ...script?.imports,
    };

    // 5. Instantiate and call.
    let exports;
    try {
        exports = await instantiate(module, imports);
    } catch (error) {
        if (error instanceof WebAssembly.RuntimeError) throw error;
        throw new Error(`cannot link it: ${error.message}; what it imports beside WASI is for a script to offer`);
    }
    let status = 0;
    try {
        if (script) {
            await script.run(exports, args.slice(1), (line) => print("stdout")(bytes(`${line}\n`)));
        } else if (exports.run) {
            await exports.run.run();
        } else {
            throw new Error(`it is a library, which exports ${Object.keys(exports)}: give it a script`);
        }
    } catch (error) {
        if (error.exitError) status = error.code;
        else if (!script && error instanceof Error && "payload" in error) status = 1; // `run` returned an error
        else throw error;
    }
    return [status, granted.map(([name, folder]) => [name, preview2FilesOf(folder)])];
}

// Files are { "notes/today.txt": "text" } here, and trees in the libraries.

function preview1FolderOf(files) {
    const root = new preview1.Directory(new Map());
    for (const [path, text] of Object.entries(files)) {
        let folder = root;
        const names = path.split("/");
        const last = names.pop();
        for (const name of names) {
            if (!folder.contents.has(name)) folder.contents.set(name, new preview1.Directory(new Map()));
            folder = folder.contents.get(name);
        }
        folder.contents.set(last, new preview1.File(bytes(text)));
    }
    return root;
}

function preview1FilesOf(folder, path = "") {
    return Object.fromEntries([...folder.contents].flatMap(([name, entry]) =>
        entry instanceof preview1.Directory
            ? Object.entries(preview1FilesOf(entry, `${path}${name}/`))
            : [[path + name, new TextDecoder().decode(entry.data)]]));
}

function preview2FolderOf(files) {
    const root = { dir: {} };
    for (const [path, text] of Object.entries(files)) {
        let folder = root;
        const names = path.split("/");
        const last = names.pop();
        for (const name of names) folder = folder.dir[name] ??= { dir: {} };
        folder.dir[last] = { source: bytes(text) };
    }
    return root;
}

function preview2FilesOf(folder, path = "") {
    return Object.fromEntries(Object.entries(folder.dir).flatMap(([name, entry]) =>
        entry.dir
            ? Object.entries(preview2FilesOf(entry, `${path}${name}/`))
            : [[path + name, new TextDecoder().decode(entry.source)]]));
}

self.onmessage = async ({ data }) => {
    const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
    let printed = 0;
    const print = (stream) => (piece) => {
        const text = decoders[stream].decode(piece, { stream: true });
        printed += Math.max(text.length, PIECE);
        if (printed > MOST_OUTPUT) {
            throw new Error(`it printed more than ${MOST_OUTPUT} characters, or more than ${MOST_OUTPUT / PIECE} pieces`);
        }
        if (text) self.postMessage({ stream, text });
    };
    try {
        const script = data.script && (await import(data.script));
        const run = data.guest.endsWith(".js") ? runComponent : runModule;
        const [status, files] = await run(data, print, script);
        const left = files.flatMap(([, content]) => Object.values(content));
        if (left.length > MOST_FILES || left.reduce((sum, text) => sum + text.length, 0) > MOST_BYTES) {
            throw new Error(`it left more than ${MOST_FILES} files, or ${MOST_BYTES} characters in them`);
        }
        self.postMessage({ status, files: Object.fromEntries(files) });
    } catch (error) {
        // As the hosts here: 134 for a trap, 1 for whatever else went wrong. A guest whose calls have filled
        // the stack gets a RangeError.
        const trap = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
        self.postMessage({ stream: "stderr", text: `Error: ${trap ? "trap: " : ""}${error.message ?? error}\n` });
        self.postMessage({ status: trap ? 134 : 1 });
    }
};
