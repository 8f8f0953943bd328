"""How the runner of WebAssembly/wasi-testsuite starts a test, see run.py: a program in `runner_host`,
and a service, which answers requests, in `http_host`.

Notice that a test gets what it asks for and nothing else. The suite's doc/adapters.md tells what
these functions are for.
Run: just conformance PATH
"""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNNER = os.environ.get("RUNNER_HOST", str(ROOT / "target/debug/runner_host"))
HTTP = os.environ.get("HTTP_HOST", str(ROOT / "target/debug/http_host"))


def get_name():
    return "runner_host and http_host"


def get_version():
    import tomllib  # the suite's runner has it, an old Python that tries this file may not

    for host in [RUNNER, HTTP]:
        subprocess.run([host, "--help"], check=True, capture_output=True)  # it starts
    manifest = tomllib.loads((ROOT / "hosts/runner/Cargo.toml").read_text(encoding="utf-8"))
    return "on wasmtime " + manifest["dependencies"]["wasmtime"]["version"]


def get_wasi_versions():
    return ["wasm32-wasip1", "wasm32-wasip3"]


def get_wasi_worlds():
    return ["wasi:cli/command", "wasi:http/service"]


def get_timeout_seconds():
    return 120  # a debug build of the host takes seconds to compile a guest the first time


def compute_argv(test_path, args_env_root, proposals, wasi_world, wasi_version):
    args, env, root = args_env_root
    service = wasi_world == "wasi:http/service"
    argv = [HTTP, "--addr", "127.0.0.1:0"] if service else [RUNNER]
    for name, value in env.items():
        argv += ["--env", f"{name}={value}"]
    if root:
        remove_left_links(Path(root))
        argv += ["--dir", f"{root}::/"]
    if service:
        # The servers of the suite that a test talks to, one of which is not there.
        for name, value in env.items():
            argv += ["--allow", value] if name.startswith("HTTP_SERVER_") else []
    elif "sockets" in proposals:
        argv += ["-S", "inherit-network"]
    return argv + [str(test_path), *args]


def remove_left_links(root):
    """What a test made, `*.cleanup`, is to be gone before the next one. The suite's specification
    says so, and its runner removes files and folders, but no links."""
    for path in root.glob("**/*.cleanup"):
        if path.is_symlink():
            path.unlink()
