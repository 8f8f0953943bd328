// Runs a command of preview 1 or preview 0 in node, with the capabilities named on the command line.
// Notice `version`: the two differ by the name of the module that a guest imports.
// Run: just run javascript

import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { WASI } from "node:wasi";

const { flags, guest, args } = commandLine();

// 1. Engine: node's own.
// 2. Code: a module, from the path given.
const bytes = await readFile(guest).catch(() => fail(`cannot read ${guest}: check the path, or build the guest first`));
const isModule = bytes.subarray(0, 8).equals(Buffer.from("\0asm\x01\0\0\0")); // a component has another version
if (!isModule) {
    fail(`${guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32-wasip1`);
}
const module = await WebAssembly.compile(bytes).catch((error) => fail(`cannot compile ${guest}: ${error.message}`));
if (!WebAssembly.Module.exports(module).some(({ name }) => name === "_start")) {
    fail(`${guest} is not a command, it exports no \`_start\`: build a program, not a library`);
}

// 3. Linker: what the guest may import.
const old = WebAssembly.Module.imports(module).some(({ module }) => module === "wasi_unstable");

// 4. Store: this guest's capabilities. It has clocks, sleep and random bytes, and what stands here.
const wasi = new WASI({
    version: old ? "unstable" : "preview1",
    args: [basename(guest), ...args],
    env: Object.fromEntries(flags.env.map((variable) => cut(variable, "="))),
    preopens: Object.fromEntries(flags.dir.map((dir) => cut(dir, "::").reverse())),
    returnOnExit: true,
});

// 5. Instantiate and call.
const instance = await WebAssembly.instantiate(module, wasi.getImportObject()).catch((error) =>
    fail(`cannot link ${guest}: ${error.message}`));
try {
    const status = wasi.start(instance);
    if (status < 0 || status > 125) fail(`${guest} exited with ${status}: the largest status is 125`);
    process.exitCode = status;
} catch (error) {
    // A guest whose calls have filled the stack gets a RangeError.
    const trap = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
    console.error(`Error: ${guest} ${trap ? "trapped" : "cannot run"}: ${error.message}`);
    process.exitCode = trap ? 134 : 1;
}

/** What stands before the guest is for this program, what follows it is for the guest. */
function commandLine() {
    const words = process.argv.slice(2);
    const at = words.findIndex((word, index) => !word.startsWith("--") && !words[index - 1]?.match(/^--\w+$/));
    const options = {
        dir: { type: "string", multiple: true, default: [] },
        env: { type: "string", multiple: true, default: [] },
    };
    try {
        if (at < 0) throw new Error("the guest is missing");
        const { values } = parseArgs({ args: words.slice(0, at), options });
        for (const variable of values.env) {
            if (!variable.includes("=")) throw new Error(`--env ${variable}: write NAME=VALUE`);
        }
        for (const [host] of values.dir.map((dir) => cut(dir, "::"))) {
            if (!statSync(host, { throwIfNoEntry: false })?.isDirectory()) {
                fail(`cannot grant ${host}: --dir takes a directory that exists`);
            }
        }
        return { flags: values, guest: words[at], args: words.slice(at + 1) };
    } catch (error) {
        return fail(`${error.message}
Usage: node command.mjs [--dir HOST::GUEST] [--env NAME=VALUE] GUEST.wasm [ARGS]`, 2);
    }
}

function fail(message, status = 1) {
    console.error(`Error: ${message}`);
    process.exit(status);
}

function cut(text, mark) {
    const at = text.indexOf(mark);
    return at < 0 ? [text, text] : [text.slice(0, at), text.slice(at + mark.length)];
}
