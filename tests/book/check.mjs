// Reads the book in Chromium as a reader would, wide and narrow, and says what is wrong with it.
// Usage: node check.mjs BOOK [PICTURE.png], where BOOK is what mdbook made
// Notice that each box is compared with what its page says, which is what wasmtime printed.

import { createServer } from "node:http";
import { readdir, readFile } from "node:fs/promises";
import { extname, join, resolve, sep } from "node:path";
import { chromium } from "playwright-core";

const [book, picture] = process.argv.slice(2);
const root = resolve(book);
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 }; // of a phone
const LATE = 60_000;

const faults = [];
const counts = { pages: 0, drawings: 0, links: 0, boxes: 0 };
const boxed = new Set();

const server = createServer(answer);
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const origin = `http://127.0.0.1:${server.address().port}`;
const files = (await readdir(root, { recursive: true })).map((file) => file.replaceAll(sep, "/"));
const pages = files.filter((file) => file.endsWith(".html") && !["404.html", "toc.html"].includes(file));

const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // No other site can be reached: a request for one is a fault, and gets no answer.
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
});
const half = Math.floor(pages.length / 2);
try {
    // Each in a tab of its own, at the same time: most of it is waiting.
    await Promise.all([
        read(WIDE, pages.slice(half)),
        read(WIDE, pages.slice(0, half)),
        read(NARROW, pages.filter((page) => /^[^/]*$|examples\/(.*\/index|[^/]*)\.html$/.test(page))),
        search("proc_exit", "errors"),
        search("interrupt", "sandbox"),
        runBoxes(pages.filter((page) => page.startsWith("examples/"))),
        takeGrantAway(),
    ]);
} finally {
    await browser.close();
    server.close();
}
for (const fault of faults) console.log(fault);
console.log(
    `${counts.pages} pages, ${counts.drawings} drawings, ${counts.links} links, ${counts.boxes} boxes of ${boxed.size} examples`);
process.exitCode = faults.length ? 1 : 0;

/** Serves the book, and nothing else. */
async function answer(request, response) {
    const path = decodeURIComponent(new URL(request.url, "http://book").pathname);
    const file = join(root, path.endsWith("/") ? `${path}index.html` : path);
    const kinds = {
        ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json",
        ".wasm": "application/wasm", ".svg": "image/svg+xml", ".png": "image/png",
    };
    try {
        if (!file.startsWith(root)) throw new Error("outside");
        const bytes = await readFile(file);
        const type = kinds[extname(file)] ?? "application/octet-stream";
        response.writeHead(200, { "content-type": type, "cache-control": "max-age=3600" }).end(bytes);
    } catch {
        response.writeHead(404).end();
    }
}

/** A tab in which every error counts, and every request to another site. */
async function tab(viewport) {
    const context = await browser.newContext({ viewport });
    const page = await context.newPage();
    const fault = (what) => faults.push(`${new URL(page.url()).pathname} (${viewport.width}): ${what}`);
    page.on("console", (message) => message.type() === "error" && fault(message.text()));
    page.on("pageerror", (error) => fault(error.message));
    page.on("response", (response) => response.status() >= 400 && fault(`${response.status()} ${response.url()}`));
    // Not context.route, which turns off Chromium's cache: each page would load all scripts again.
    page.on("request", (request) => {
        const url = new URL(request.url());
        if (/^https?:$/.test(url.protocol) && url.origin !== origin) fault(`it asks another site: ${url}`);
    });
    return { page, fault };
}

/** Opens each page, looks whether it is drawn, fits, and leads somewhere. */
async function read(viewport, pages) {
    const { page, fault } = await tab(viewport);
    for (const file of pages) {
        await page.goto(`${origin}/${file}`, { waitUntil: "load" });
        counts.pages += 1;
        const drawings = page.locator("pre.mermaid");
        for (const drawing of await drawings.all()) {
            await drawing.locator("svg").first().waitFor({ timeout: LATE }).catch(() => fault("a drawing is not drawn"));
            counts.drawings += 1;
        }
        const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        if (content > window + 1) fault(`it is ${content} wide`);
        const links = await page.locator("main a[href]").evaluateAll((all) => all.map((link) => link.href));
        for (const link of links) {
            const url = new URL(link);
            if (url.origin !== origin) continue;
            counts.links += 1;
            const path = decodeURIComponent(url.pathname).slice(1).replace(/(^|\/)$/, "$1index.html");
            if (!files.includes(path)) fault(`a link leads nowhere: ${path}`);
            else if (url.hash && path === file && url.hash !== "#") {
                const id = decodeURIComponent(url.hash.slice(1));
                if (!(await page.evaluate((id) => document.getElementById(id) !== null, id))) fault(`no ${url.hash} there`);
            }
        }
    }
    await page.context().close();
}

/** Looks a word up; a result is to name a page. */
async function search(word, expected) {
    const { page, fault } = await tab(WIDE);
    await page.goto(`${origin}/index.html`);
    await page.locator("#mdbook-search-toggle, #search-toggle").first().click();
    await page.locator("#mdbook-searchbar, #searchbar").first().fill(word);
    const results = page.locator("#mdbook-searchresults a, #searchresults a");
    await results.first().waitFor({ timeout: LATE }).catch(() => fault(`search does not find ${word}`));
    const found = await results.evaluateAll((all) => all.map((link) => link.getAttribute("href")));
    if (!found.some((link) => link.includes(expected))) fault(`search for ${word} finds ${found}`);
    await page.context().close();
}

/** What stands on a page as an output: `[..]` is any part of a line, a line `...` any lines. */
function pattern(output) {
    const lines = output.split("\n").map((line) =>
        line === "..." ? "(?:.*\\n)*?" : `${line.split("[..]").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*")}\n`);
    return new RegExp(`^${lines.join("").replace(/\n$/, "")}$`);
}

/** Runs each box and compares it with its page. */
async function runBoxes(pages) {
    const { page, fault } = await tab(WIDE);
    for (const file of pages) {
        await page.goto(`${origin}/${file}`);
        for (const details of await page.locator("details.run-here").all()) {
            const box = details.locator("wasi-box");
            const name = await box.getAttribute("src");
            const { expected } = JSON.parse(await readFile(join(root, "box", name.split("/").pop())));
            await details.locator("> summary").click();
            const shown = await run(box, fault, name);
            const output = shown.status === 0 ? shown.stdout : shown.stdout + shown.stderr;
            if (shown.status !== expected.status || !pattern(`${expected.output.trimEnd()}\n`).test(`${output.trimEnd()}\n`)) {
                fault(`${name} differs: ${JSON.stringify(shown)}, and the page has ${JSON.stringify(expected)}`);
            }
            counts.boxes += 1;
            boxed.add(file);
        }
        if (picture && file === "examples/command/index.html") {
            await page.evaluate(() => scrollTo(0, 0));
            await page.locator("details.run-here").first().scrollIntoViewIfNeeded();
            await page.screenshot({ path: picture });
        }
    }
    await page.context().close();
}

/** Presses the button of a box and waits for the end of its guest. */
async function run(box, fault, name) {
    await box.locator("button[data-role=run]").click({ timeout: LATE }).catch(() => fault(`${name} has no button`));
    await box.and(box.page().locator("[data-status]")).waitFor({ timeout: LATE }).catch(() => fault(`${name} does not end`));
    return {
        status: Number(await box.getAttribute("data-status")),
        stdout: await box.locator("pre.stdout").textContent(),
        stderr: await box.locator("pre.stderr").textContent(),
    };
}

/** A folder that is taken away is gone for the guest. */
async function takeGrantAway() {
    const { page, fault } = await tab(WIDE);
    await page.goto(`${origin}/examples/command/index.html`);
    const details = page.locator("details.run-here").first();
    await details.locator("> summary").click();
    const box = details.locator("wasi-box");
    await box.locator("fieldset input[type=checkbox]").uncheck();
    const { status, stderr } = await run(box, fault, "command");
    if (status !== 1 || !stderr.includes("No such file or directory")) fault(`without the folder: ${status}, ${stderr}`);
    await page.context().close();
}
