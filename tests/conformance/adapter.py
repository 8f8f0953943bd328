"""How the runner of WebAssembly/wasi-testsuite starts a test in `runner_host`, see run.py.

Notice that a test gets what it asks for and nothing else. The suite's doc/adapters.md tells what
these functions are for.
Run: just conformance PATH
"""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOST = os.environ.get("RUNNER_HOST", str(ROOT / "target/debug/runner_host"))


def get_name():
    return "runner_host"


def get_version():
    import tomllib  # the suite's runner has it, an old Python that tries this file may not

    subprocess.run([HOST, "--help"], check=True, capture_output=True)  # it starts
    manifest = tomllib.loads((ROOT / "hosts/runner/Cargo.toml").read_text(encoding="utf-8"))
    return "on wasmtime " + manifest["dependencies"]["wasmtime"]["version"]


def get_wasi_versions():
    return ["wasm32-wasip1", "wasm32-wasip3"]


def get_wasi_worlds():
    return ["wasi:cli/command"]  # programs; a test for another world is skipped


def get_timeout_seconds():
    return 120  # a debug build of the host takes seconds to compile a guest the first time


def compute_argv(test_path, args_env_root, proposals, wasi_world, wasi_version):
    args, env, root = args_env_root
    argv = [HOST]
    for name, value in env.items():
        argv += ["--env", f"{name}={value}"]
    if root:
        remove_left_links(Path(root))
        argv += ["--dir", f"{root}::/"]
    if "sockets" in proposals:
        argv += ["-S", "inherit-network"]
    return argv + [str(test_path), *args]


def remove_left_links(root):
    """What a test made, `*.cleanup`, is to be gone before the next one. The suite's specification
    says so, and its runner removes files and folders, but no links."""
    for path in root.glob("**/*.cleanup"):
        if path.is_symlink():
            path.unlink()
