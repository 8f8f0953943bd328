// Runs a component of WASI 0.2 in node, when `transpile` has made JavaScript of it.
// Notice `instantiate`: it is given what the component imports, as a linker would be.
// Run: just run javascript

import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { flags, guest, args } = commandLine();
const [{ filesystem }, { WASIShim }, preview3] = await Promise.all([
    import("@bytecodealliance/preview2-shim"),
    import("@bytecodealliance/preview2-shim/instantiation"),
    import("@bytecodealliance/preview3-shim"),
]).catch((error) =>
    fail(`the packages are not there: install them by \`npm ci --prefix hosts/javascript\` (${error.message})`));

// 1. Engine: node's own.
// 2. Code: JavaScript, and beside it the modules that are inside of the component.
const { instantiate } = await import(pathToFileURL(resolve(guest))).catch((error) =>
    fail(`cannot read ${guest}: ${error.message}; make it of a component by \`javascript_host transpile\``));
const module = async (name) => WebAssembly.compile(await readFile(join(dirname(guest), name)));

// 4. Store: this guest's capabilities.
const shim = new WASIShim({
    sandbox: {
        args: [flags.name, ...args],
        env: Object.fromEntries(flags.env.map((variable) => cut(variable, "="))),
        preopens: Object.fromEntries(flags.dir.map((dir) => cut(dir, "::").reverse())),
        enableNetwork: false,
    },
});

// Rust's std opens a file for writing with the right to change the directory, and the shim refuses that as
// unsupported. Which files there are it decides by the paths, so the wish can be left out.
const { openAt } = filesystem.types.Descriptor.prototype;
filesystem.types.Descriptor.prototype.openAt = function (follow, path, how, { mutateDirectory, ...rights }) {
    return openAt.call(this, follow, path, how, rights);
};

// 3. Linker: WASI, and what a script of ours adds to it.
const script = flags.script && (await import(pathToFileURL(resolve(flags.script))).catch((error) =>
    fail(`cannot read ${flags.script}: ${error.message}`)));
const wasi = shim.getImportObject();
// The shim would tell the folder in which node was started, which is a path of the host's.
wasi["wasi:cli/environment"] = { ...wasi["wasi:cli/environment"], initialCwd: () => undefined };
// What WASI 0.3 has under the names of WASI 0.2 stands in the same object.
for (const [name, functions] of [
    ["wasi:cli/stdout", preview3.cli.stdout],
    ["wasi:cli/stderr", preview3.cli.stderr],
    ["wasi:clocks/monotonic-clock", preview3.clocks.monotonicClock],
    ["wasi:clocks/system-clock", preview3.clocks.systemClock],
]) {
    wasi[name] = { ...wasi[name], ...functions };
}
const imports = { ...wasi, ...script?.imports };

// 5. Instantiate and call.
let exports;
try {
    exports = await instantiate(module, imports);
} catch (error) {
    const why = error.message.includes("WebAssembly.Suspending")
        ? "it has functions that wait, as WASI 0.3 does, for which this node is too old"
        : "what it imports beside WASI is for --script to offer";
    fail(`cannot link ${guest}: ${error.message}; ${why}`);
}
try {
    if (script) script.run(exports, args, console.log);
    else if (exports.run) await exports.run.run();
    else fail(`${guest} is a library, which exports ${Object.keys(exports)}: give it a --script`);
} catch (error) {
    if (!script && error instanceof Error && "payload" in error) {
        process.exitCode = 1; // `run` returned an error, about which the guest has said what it had to say
    } else {
        // A guest whose calls have filled the stack gets a RangeError.
        const trap = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
        console.error(`Error: ${guest} ${trap ? "trapped" : "failed"}: ${error.message ?? error}`);
        process.exitCode = trap ? 134 : 1;
    }
}

/** What stands before the guest is for this program, what follows it is for the guest. */
function commandLine() {
    const words = process.argv.slice(2);
    const at = words.findIndex((word, index) => !word.startsWith("--") && !words[index - 1]?.match(/^--\w+$/));
    const options = {
        dir: { type: "string", multiple: true, default: [] },
        env: { type: "string", multiple: true, default: [] },
        name: { type: "string", default: "guest" },
        script: { type: "string" },
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
Usage: node component.mjs [--dir HOST::GUEST] [--env NAME=VALUE] [--name NAME] [--script FILE.js] guest.js [ARGS]`, 2);
    }
}

function cut(text, mark) {
    const at = text.indexOf(mark);
    return at < 0 ? [text, text] : [text.slice(0, at), text.slice(at + mark.length)];
}

function fail(message, status = 1) {
    console.error(`Error: ${message}`);
    process.exit(status);
}
