// <wasi-box src="box.json">: a guest, what it is given, a button, and what comes of it.
// The file names the guest: { guest, args, env, stdin, files: { "/folder": { "name": "text" } }, script, seconds }.

/** An element with attributes and children. */
function element(name, attributes = {}, ...children) {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...children);
    return made;
}

/** The words of a line as a shell sees them; quotes keep blanks. */
function words(line) {
    const found = line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g);
    return [...found].map(([, double, single, plain]) => double ?? single ?? plain);
}

function line(words) {
    const quote = (word) => (word.includes('"') ? `'${word}'` : `"${word}"`);
    return words.map((word) => (/^[^\s"']+$/.test(word) ? word : quote(word))).join(" ");
}

class Box extends HTMLElement {
    async connectedCallback() {
        if (this.started) return;
        this.started = true;
        try {
            const base = new URL(this.getAttribute("src"), document.baseURI);
            const answer = await fetch(base);
            if (!answer.ok) throw new Error(`${base} is not there`);
            this.show(await answer.json(), base);
        } catch (error) {
            this.append(element("p", { textContent: `This guest cannot run here: ${error.message}` }));
        }
    }

    /** Makes the fields, filled with what `box` says. */
    show(box, base) {
        this.box = { ...box, guest: new URL(box.guest, base).href };
        if (box.script) this.box.script = new URL(box.script, base).href;
        const name = box.args[0];
        this.args = element("input", { value: line(box.args.slice(1)), spellcheck: false });
        this.env = element("textarea", {
            value: Object.entries(box.env).map(([name, value]) => `${name}=${value}`).join("\n"),
            rows: Math.max(1, Object.keys(box.env).length),
            spellcheck: false,
        });
        this.stdin = element("textarea", {
            value: box.stdin,
            rows: Math.min(8, box.stdin.split("\n").length),
            spellcheck: false,
        });
        this.folders = element("div");
        for (const [path, files] of Object.entries(box.files)) this.folders.append(this.folder(path, files));
        this.button = element("button", { type: "button", textContent: "Run", onclick: () => this.run() });
        this.button.dataset.role = "run";
        this.status = element("output");
        this.stdout = element("pre", { className: "stdout" });
        this.stderr = element("pre", { className: "stderr" });
        const field = (text, input) => element("label", {}, element("span", { textContent: text }), input);
        this.append(
            element("p", { className: "guest" }, element("code", { textContent: name })),
            field("arguments", this.args),
            field("variables", this.env),
            field("standard input", this.stdin),
            this.folders,
            element("p", {}, this.button, " ", this.status),
            this.stdout,
            this.stderr,
        );
        this.dataset.ready = "";
    }

    /** A folder that the guest may be granted, and its files. */
    folder(path, files) {
        const granted = element("input", { type: "checkbox", checked: true });
        const fields = element("div");
        const made = element("fieldset", {},
            element("legend", {}, element("label", {}, granted, ` granted: ${path}`)), fields);
        made.dataset.path = path;
        for (const [name, text] of Object.entries(files)) fields.append(this.file(name, text));
        return made;
    }

    file(name, text) {
        const area = element("textarea", { value: text, rows: Math.min(8, text.split("\n").length), spellcheck: false });
        area.dataset.name = name;
        return element("label", {}, element("span", { textContent: name }), area);
    }

    run() {
        this.stop("stopped");
        const env = this.env.value.split("\n").filter((line) => line.includes("="));
        const files = {};
        for (const folder of this.folders.children) {
            if (!folder.querySelector("input").checked) continue;
            const areas = [...folder.querySelectorAll("textarea")];
            files[folder.dataset.path] = Object.fromEntries(areas.map((area) => [area.dataset.name, area.value]));
        }
        this.stdout.textContent = this.stderr.textContent = "";
        this.status.textContent = "running";
        delete this.dataset.status;
        this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
        this.worker.onmessage = ({ data }) => this.hear(data);
        this.worker.onerror = (event) => this.stop(`it did not start: ${event.message ?? "see the console"}`, 1);
        const late = `ended: it ran for longer than ${this.box.seconds} s`;
        this.timer = setTimeout(() => this.stop(late, 1), this.box.seconds * 1000);
        this.worker.postMessage({
            ...this.box,
            args: [this.box.args[0], ...words(this.args.value)],
            env: Object.fromEntries(env.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])),
            stdin: this.stdin.value,
            files,
        });
    }

    hear({ stream, text, status, files }) {
        if (stream) this[stream].append(text);
        if (status === undefined) return;
        for (const [path, content] of Object.entries(files ?? {})) {
            const fields = this.folders.querySelector(`[data-path="${CSS.escape(path)}"] > div`);
            fields.replaceChildren(...Object.entries(content).map(([name, text]) => this.file(name, text)));
        }
        this.stop(`ended with status ${status}`, status);
    }

    /** Ends the worker, if one runs, and says why. */
    stop(why, status) {
        if (!this.worker) return;
        clearTimeout(this.timer);
        this.worker.terminate();
        this.worker = undefined;
        this.status.textContent = why;
        if (status !== undefined) this.dataset.status = status;
    }
}

customElements.define("wasi-box", Box);
