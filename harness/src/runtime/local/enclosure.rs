//! The enclosure: new user, mount, pid and network namespaces around the whole harness.
//!
//! `enter` re-executes the program inside them. The process outside only waits and passes
//! signals on; the one inside is the init of its pid namespace and does the work. When it ends,
//! by whatever cause, the kernel kills every process in that namespace and drops the others. It
//! is tied to the process outside twice: by `PR_SET_PDEATHSIG`, and by a *lifeline*, a pipe whose
//! other end closes when the process outside is gone.
//!
//! No root is needed where unprivileged user namespaces are allowed. What is inside sees itself
//! as root, with rights over its own namespaces only.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use super::super::RuntimeError;
use crate::exit::Exit;

/// The environment variable that tells the inner program which descriptor is its lifeline.
const LIFELINE: &str = "HARNESS_LIFELINE";

/// Where `enter` returned.
#[derive(Debug)]
pub enum Enclosed {
    /// Inside: go on.
    Inside,
    /// Outside, and the inner program has ended: end with this status.
    Ended(Exit),
}

/// The process inside, for the signal handler.
static INNER: AtomicI32 = AtomicI32::new(0);

/// How often the user asked to stop.
static STOPS: AtomicU32 = AtomicU32::new(0);

/// Re-executes this program inside new namespaces, or, there already, finishes entering them.
///
/// Must be called before any thread is started.
///
/// # Errors
/// When the machine does not allow the namespaces; the message names the setting.
pub fn enter() -> Result<Enclosed, RuntimeError> {
    match std::env::var(LIFELINE)
        .ok()
        .and_then(|text| text.parse().ok())
    {
        Some(lifeline) => arrive(lifeline).map(|()| Enclosed::Inside),
        None => supervise().map(Enclosed::Ended),
    }
}

/// True in the program that runs inside.
#[must_use]
pub fn is_inside() -> bool {
    std::env::var_os(LIFELINE).is_some()
}

/// Inside: private mounts, a `/proc` of the new pid namespace, and the lifeline's watcher.
fn arrive(lifeline: RawFd) -> Result<(), RuntimeError> {
    // SAFETY: `enter` is called before any thread is started, so nobody reads the environment now.
    unsafe { std::env::remove_var(LIFELINE) };
    make_mounts_private().map_err(|error| refused("make the mounts private", &error))?;
    mount_proc().map_err(|error| refused("mount /proc", &error))?;
    // SAFETY: the outer process passed this descriptor for this purpose and nothing else uses it.
    let mut pipe = unsafe { fs::File::from_raw_fd(lifeline) };
    close_on_exec(&pipe).map_err(|error| refused("keep the lifeline", &error))?;
    let watcher = move || {
        // Nothing is ever written: the read ends when the process outside is gone.
        let _ = pipe.read(&mut [0]);
        std::process::exit(i32::from(Exit::Trouble.code()));
    };
    std::thread::Builder::new()
        .name("lifeline".into())
        .spawn(watcher)
        .map_err(|error| refused("start a thread", &error))?;
    Ok(())
}

/// Outside: starts the inner program, passes signals on, waits for it.
fn supervise() -> Result<Exit, RuntimeError> {
    let (lifeline_inner, lifeline_outer) = pipe().map_err(|e| refused("make a pipe", &e))?;
    let (start_inner, start_outer) = pipe().map_err(|e| refused("make a pipe", &e))?;
    let program = Program::of_this_process(lifeline_inner.as_raw_fd());
    let keep = [lifeline_inner.as_raw_fd(), start_inner.as_raw_fd()];
    let close = [lifeline_outer.as_raw_fd(), start_outer.as_raw_fd()];
    let (pid, mapped) = clone_into_namespaces(&program, keep, close)?;
    INNER.store(pid, Ordering::SeqCst);
    pass_signals_on();
    if mapped {
        map_ids(pid).map_err(|error| refused("map the user", &error))?;
    }
    fs::File::from(start_outer)
        .write_all(b"g")
        .map_err(|error| refused("start the inner program", &error))?;
    let status = wait_for(pid).map_err(|error| refused("wait for the inner program", &error))?;
    drop(lifeline_outer);
    Ok(exit_of(status))
}

/// Everything that exec needs, made before the fork.
struct Program {
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Program {
    fn of_this_process(lifeline: RawFd) -> Program {
        let c_string = |text: &OsStr| CString::new(text.as_bytes()).ok();
        let arguments = std::env::args_os()
            .filter_map(|one| c_string(&one))
            .collect();
        let mut environment: Vec<CString> = std::env::vars_os()
            .filter_map(|(key, value)| {
                let mut pair = key;
                pair.push("=");
                pair.push(value);
                c_string(&pair)
            })
            .collect();
        environment.extend(CString::new(format!("{LIFELINE}={lifeline}")));
        Program {
            arguments,
            environment,
        }
    }
}

/// Forks into new namespaces; the child waits for the go, ties itself to us and executes the
/// program. Returns the child and whether it is in a user namespace whose ids must be mapped.
fn clone_into_namespaces(
    program: &Program,
    [lifeline, start]: [RawFd; 2],
    close: [RawFd; 2],
) -> Result<(i32, bool), RuntimeError> {
    let spaces = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWNET;
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings
            .iter()
            .map(|one| one.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let arguments = pointers(&program.arguments);
    let environment = pointers(&program.environment);
    let attempt = |flags: i32| -> io::Result<i32> {
        // SAFETY: without CLONE_VM and a stack this is fork(2) into new namespaces. The process
        // has one thread, and the child calls only async-signal-safe functions before exec.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) };
        match pid {
            0 => {
                // SAFETY: we are the forked child; all pointers were made before the fork.
                unsafe { become_inner(&arguments, &environment, lifeline, start, close) }
            }
            pid if pid > 0 => Ok(i32::try_from(pid).expect("process numbers are small")),
            _ => Err(io::Error::last_os_error()),
        }
    };
    match attempt(spaces | libc::CLONE_NEWUSER) {
        Ok(pid) => Ok((pid, true)),
        // Root does not need a user namespace: some machines forbid them even to root.
        // SAFETY: geteuid only reads.
        Err(_) if unsafe { libc::geteuid() } == 0 => match attempt(spaces) {
            Ok(pid) => Ok((pid, false)),
            Err(error) => Err(no_namespaces(&error)),
        },
        Err(error) => Err(no_namespaces(&error)),
    }
}

/// The child: never returns.
///
/// # Safety
/// Must be called in a freshly forked child with valid, null-terminated vectors.
unsafe fn become_inner(
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
    lifeline: RawFd,
    start: RawFd,
    close: [RawFd; 2],
) -> ! {
    // SAFETY: bare system calls on our own descriptors and process; see the function's contract.
    unsafe {
        for fd in close {
            libc::close(fd);
        }
        let mut go = [0u8; 1];
        if libc::read(start, go.as_mut_ptr().cast(), 1) != 1 {
            libc::_exit(i32::from(Exit::Trouble.code()));
        }
        // A process group of its own: Ctrl-C reaches the process outside alone, which passes it
        // on once.
        libc::setpgid(0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // If the process outside died before that, the lifeline's other end is closed.
        let mut poll = libc::pollfd {
            fd: lifeline,
            events: libc::POLLIN,
            revents: 0,
        };
        if libc::poll(&raw mut poll, 1, 0) != 0 {
            libc::_exit(i32::from(Exit::Trouble.code()));
        }
        let flags = libc::fcntl(lifeline, libc::F_GETFD);
        libc::fcntl(lifeline, libc::F_SETFD, flags & !libc::FD_CLOEXEC);
        libc::execve(
            c"/proc/self/exe".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
        );
        libc::_exit(i32::from(Exit::Trouble.code()));
    }
}

/// Root keeps all its ids; anybody else becomes the only user of the namespace, its root.
fn map_ids(pid: i32) -> io::Result<()> {
    // SAFETY: these only read the process's ids.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let (users, groups) = if user == 0 {
        ("0 0 4294967295".to_owned(), "0 0 4294967295".to_owned())
    } else {
        fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
        (format!("0 {user} 1"), format!("0 {group} 1"))
    };
    let write = |file: &str, wide: &str, one: u32| {
        let path = format!("/proc/{pid}/{file}");
        // Root of an outer user namespace that maps less than everything can map itself only.
        fs::write(&path, wide).or_else(|_| fs::write(&path, format!("0 {one} 1")))
    };
    write("uid_map", &users, user)?;
    write("gid_map", &groups, group)
}

extern "C" fn pass_on(signal: libc::c_int) {
    let inner = INNER.load(Ordering::SeqCst);
    let earlier = STOPS.fetch_add(1, Ordering::SeqCst);
    let signal = if earlier == 0 { signal } else { libc::SIGKILL };
    if inner > 0 {
        // SAFETY: kill(2) is async-signal-safe; the child is not waited for while it runs.
        unsafe { libc::kill(inner, signal) };
    }
}

/// The first stop request is passed on, the second one kills.
fn pass_signals_on() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: a zeroed sigaction with a handler that calls only async-signal-safe functions.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = pass_on as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

fn wait_for(pid: i32) -> io::Result<ExitStatus> {
    loop {
        let mut status = 0;
        // SAFETY: waits for our own child and writes the status we own.
        match unsafe { libc::waitpid(pid, &raw mut status, 0) } {
            ended if ended == pid => return Ok(ExitStatus::from_raw(status)),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    let known = [
        Exit::Pass,
        Exit::Fail,
        Exit::Unknown,
        Exit::Usage,
        Exit::Interrupted,
    ];
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    if let Some(exit) = known.into_iter().find(|exit| Some(exit.code()) == code) {
        return exit;
    }
    if STOPS.load(Ordering::SeqCst) > 0 {
        return Exit::Interrupted;
    }
    if let Some(signal) = status.signal() {
        eprintln!("harness: the run was ended from outside by signal {signal}");
    }
    Exit::Trouble
}

fn make_mounts_private() -> io::Result<()> {
    mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE)
}

fn mount_proc() -> io::Result<()> {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount(Some(c"proc"), c"/proc", Some(c"proc"), flags)
}

fn mount(
    source: Option<&std::ffi::CStr>,
    target: &std::ffi::CStr,
    kind: Option<&std::ffi::CStr>,
    flags: libc::c_ulong,
) -> io::Result<()> {
    let pointer =
        |text: Option<&std::ffi::CStr>| text.map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
    // SAFETY: all strings outlive the call; no data is passed. It acts on our own mount
    // namespace only.
    let done = unsafe {
        libc::mount(
            pointer(source),
            target.as_ptr(),
            pointer(kind),
            flags,
            std::ptr::null(),
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two new descriptors into the array.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both were just made and belong to nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

fn close_on_exec(file: &fs::File) -> io::Result<()> {
    // SAFETY: sets a flag on an open descriptor.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn refused(step: &str, error: &io::Error) -> RuntimeError {
    RuntimeError::Unsupported {
        what: format!("could not {step}: {error}"),
        remedy: "the local runtime needs Linux with user, mount, pid and network namespaces".into(),
    }
}

/// Names the setting that forbids namespaces, as far as it can be told.
fn no_namespaces(error: &io::Error) -> RuntimeError {
    let setting = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
    let remedy = if setting("/proc/sys/kernel/unprivileged_userns_clone").is_ok_and(|v| v == "0") {
        "allow them with `sysctl kernel.unprivileged_userns_clone=1`, or run as root"
    } else if setting("/proc/sys/user/max_user_namespaces").is_ok_and(|v| v == "0") {
        "allow them with `sysctl user.max_user_namespaces=10000`, or run as root"
    } else if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
        .is_ok_and(|value| value == "1")
    {
        "allow them with `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or run as root"
    } else {
        "run as root, or outside of a container that forbids unshare(2)"
    };
    RuntimeError::Unsupported {
        what: format!("this machine does not allow new namespaces: {error}"),
        remedy: remedy.into(),
    }
}
