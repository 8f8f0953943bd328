//! What the imports of WASI, and some others that are often met, are for.
//! Notice that the name of an import is all there is to go by: what it does is up to the host.
//! Run: just run inspect

use serde::Serialize;

/// What imports are for, in the order in which they are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    Own,
    Files,
    Streams,
    Arguments,
    Clocks,
    Random,
    Network,
    Http,
    Exit,
    Plumbing,
    Other,
    JavaScript,
    C,
}

impl Purpose {
    pub fn words(self) -> &'static str {
        match self {
            Self::Own => "functions of its own host",
            Self::Files => "files and directories, where the host grants some",
            Self::Streams => "standard input, output and error, and files once they are open",
            Self::Arguments => "arguments and variables",
            Self::Clocks => "clocks, and to sleep",
            Self::Random => "random numbers",
            Self::Network => "network",
            Self::Http => "HTTP",
            Self::Exit => "to end with a status",
            Self::Plumbing => "streams, waiting and errors, for the others",
            Self::Other => "extensions and drafts of WASI, which few hosts have",
            Self::JavaScript => "JavaScript, in a browser or Node.js",
            Self::C => "what a linker did not find, or the host of another toolchain",
        }
    }
}

/// What the import `name` of the module `module` is for, in a core module.
pub fn of_module(module: &str, name: &str) -> Purpose {
    match module {
        "wasi_unstable" | "wasi_snapshot_preview1" => match name {
            "args_get" | "args_sizes_get" | "environ_get" | "environ_sizes_get" => {
                Purpose::Arguments
            }
            "clock_res_get" | "clock_time_get" | "poll_oneoff" | "sched_yield" => Purpose::Clocks,
            "fd_advise"
            | "fd_allocate"
            | "fd_prestat_dir_name"
            | "fd_prestat_get"
            | "fd_readdir"
            | "path_create_directory"
            | "path_filestat_get"
            | "path_filestat_set_times"
            | "path_link"
            | "path_open"
            | "path_readlink"
            | "path_remove_directory"
            | "path_rename"
            | "path_symlink"
            | "path_unlink_file" => Purpose::Files,
            "fd_close"
            | "fd_datasync"
            | "fd_fdstat_get"
            | "fd_fdstat_set_flags"
            | "fd_fdstat_set_rights"
            | "fd_filestat_get"
            | "fd_filestat_set_size"
            | "fd_filestat_set_times"
            | "fd_pread"
            | "fd_pwrite"
            | "fd_read"
            | "fd_renumber"
            | "fd_seek"
            | "fd_sync"
            | "fd_tell"
            | "fd_write" => Purpose::Streams,
            "proc_exit" | "proc_raise" => Purpose::Exit,
            "random_get" => Purpose::Random,
            "sock_accept" | "sock_recv" | "sock_send" | "sock_shutdown" => Purpose::Network,
            _ => Purpose::Other, // these are all of preview 1, but an engine may have added some
        },
        "wasi" => Purpose::Other, // threads
        _ if module.starts_with("wasi_") => Purpose::Other,
        "wbg" | "__wbindgen_placeholder__" | "__wbindgen_externref_xform__" | "go" | "gojs" => {
            Purpose::JavaScript
        }
        _ if module.ends_with("_bg.js") => Purpose::JavaScript,
        "env" => Purpose::C,
        _ => Purpose::Own,
    }
}

/// What the import `name` of a component is for.
pub fn of_component(name: &str) -> Purpose {
    let Some((package, interface, version)) = wasi(name) else {
        return Purpose::Own;
    };
    if !released(version) {
        return Purpose::Other;
    }
    match (package, interface) {
        ("cli", "environment") => Purpose::Arguments,
        ("cli", "exit") => Purpose::Exit,
        ("cli", "types") | ("io", _) => Purpose::Plumbing,
        ("cli", _) => Purpose::Streams,
        ("clocks", _) => Purpose::Clocks,
        ("filesystem", _) => Purpose::Files,
        ("http", _) => Purpose::Http,
        ("random", _) => Purpose::Random,
        ("sockets", _) => Purpose::Network,
        _ => Purpose::Other,
    }
}

/// Package, interface and version of an interface of WASI: cli, stdout and 0.2.6 of
/// `wasi:cli/stdout@0.2.6`.
pub fn wasi(name: &str) -> Option<(&str, &str, &str)> {
    let (path, version) = name.strip_prefix("wasi:")?.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    Some((package, interface, version))
}

/// Whether `version` is of a release of WASI, of generation 0.2 or 0.3, and not of a draft.
pub fn released(version: &str) -> bool {
    let numbers: Vec<_> = version.split('.').collect();
    matches!(numbers[..], ["0", "2" | "3", patch] if patch.parse::<u32>().is_ok())
}
