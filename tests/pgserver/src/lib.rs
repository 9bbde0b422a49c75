//! A private PostgreSQL server for a test: the programs of the system's package, a temporary folder, and a free port on
//! loopback.
//!
//! The server ends with the process that started it, even if that process is killed. The system's own clusters are
//! not touched. By default nothing is synced to disk, because the data is deleted after the test. A [`Proxy`] in
//! front of the server can cut connections in COMMIT.

mod proxy;

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

pub use proxy::{Cut, Proxy};

/// Environment variable with the URL of a server to use instead of starting one:
/// `postgres://user@127.0.0.1:5432/database`, with a literal address and no parameters. The user must be a superuser.
/// Databases that the tests create remain on that server.
pub const URL_VARIABLE: &str = "CRAWL_TEST_PG_URL";

/// Environment variable: if it is `1`, a missing server is a failure. For machines that must run every test.
pub const REQUIRE_VARIABLE: &str = "CRAWL_REQUIRE_PG";

/// The superuser of the server, who needs no password.
pub const SUPERUSER: &str = "postgres";

/// A user with this name needs a password. A test must create it first.
pub const GUARDED_USER: &str = "guarded";

/// The folder in which Debian has the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Shell script that waits until the test closes its end of the pipe, then stops the server and removes its folder.
const GUARD: &str = r#"trap '' INT TERM HUP; cat >/dev/null; "$@" -m immediate stop; rm -rf "$0""#;

/// The `pg_hba.conf`: authentication rules. They allow replication, so that a test can add a standby.
const HBA: &str = "\
host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
local all all trust
";

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// PostgreSQL is not installed.
    #[error("PostgreSQL is not installed: run `make deps` (package postgresql)")]
    Missing,
    /// A file or a process failed.
    #[error("failed to {0}: {1}")]
    Io(&'static str, io::Error),
    /// A program of PostgreSQL failed.
    #[error("{0} failed: {1}")]
    Program(&'static str, String),
}

/// A running server.
pub struct Server {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    guard: Child,
}

impl Server {
    /// Starts a server.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(&[], |_| Ok(()))
    }

    /// Starts a server with `settings` (`name=value`). `prepare` may add files to its data folder first.
    pub fn start_with(
        settings: &[&str],
        prepare: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<Self, StartError> {
        let programs = programs().ok_or(StartError::Missing)?;
        let folder = new_folder()?;
        let data = folder.path().join("data");
        let mut initdb = as_owner(&programs.join("initdb"));
        initdb.arg("-D").arg(&data).args(["-A", "trust", "-U", SUPERUSER, "--no-sync", "-E", "UTF8"]);
        run("initdb", initdb.arg("--locale=C"))?;
        fs::write(data.join("pg_hba.conf"), HBA)
            .and_then(|()| prepare(&data))
            .map_err(|error| StartError::Io("write the server's files", error))?;
        own(folder.path())?;
        Self::start_in(programs, folder, settings)
    }

    /// Starts a hot standby, which follows this server and can be read.
    pub fn standby(&self) -> Result<Self, StartError> {
        let folder = new_folder()?;
        let mut backup = as_owner(&self.programs.join("pg_basebackup"));
        backup.arg("-D").arg(folder.path().join("data")).arg("-d").arg(self.url("postgres"));
        run("pg_basebackup", backup.args(["-R", "-X", "stream", "-c", "fast", "--no-sync"]))?;
        Self::start_in(self.programs.clone(), folder, &[])
    }

    /// Makes a standby stop following its primary: later commits on the primary do not reach it.
    pub fn stop_following(&self) -> Result<(), StartError> {
        let settings = self.folder.path().join("data/postgresql.auto.conf");
        let file = fs::OpenOptions::new().append(true).open(settings);
        file.and_then(|mut file| file.write_all(b"primary_conninfo = ''\n"))
            .map_err(|error| StartError::Io("write the standby's settings", error))?;
        run("pg_ctl reload", self.pg_ctl().arg("reload"))
    }

    /// Promotes a standby to a primary, and waits until it accepts writes.
    pub fn promote(&self) -> Result<(), StartError> {
        run("pg_ctl promote", self.pg_ctl().arg("promote"))
    }

    /// Starts the server whose data is in `folder`.
    fn start_in(programs: PathBuf, folder: TempDir, settings: &[&str]) -> Result<Self, StartError> {
        let port = free_port().map_err(|error| StartError::Io("find a free port", error))?;
        let mut options = format!(
            "-F -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c max_connections=300",
            folder.path().display()
        );
        settings.iter().for_each(|setting| options.push_str(&format!(" -c {setting}")));
        fs::write(folder.path().join("options"), &options)
            .map_err(|error| StartError::Io("write the server's options", error))?;
        let guard = guard(&programs, folder.path())?;
        let server = Self { programs, folder, port, guard };
        server.resume()?;
        Ok(server)
    }

    /// The URL of `database`, with the superuser.
    pub fn url(&self, database: &str) -> String {
        self.url_of(SUPERUSER, database)
    }

    /// The URL of `database`, with `user`, which may be `name:password`.
    pub fn url_of(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server immediately, as in a crash.
    pub fn crash(&self) -> Result<(), StartError> {
        run("pg_ctl stop", self.pg_ctl().args(["-m", "immediate", "stop"]))
    }

    /// Starts it again, and waits until it answers.
    pub fn resume(&self) -> Result<(), StartError> {
        let options = fs::read_to_string(self.folder.path().join("options"))
            .map_err(|error| StartError::Io("read the server's options", error))?;
        let log = self.folder.path().join("log");
        run("pg_ctl start", self.pg_ctl().arg("-l").arg(log).arg("-o").arg(options).arg("start"))
    }

    fn pg_ctl(&self) -> Command {
        let mut command = as_owner(&self.programs.join("pg_ctl"));
        command.arg("-D").arg(self.folder.path().join("data")).args(["-w", "-s"]);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // The guard ends after it has stopped the server.
        let _ = self.guard.wait();
    }
}

/// The URL of the first database of the server that all tests of a process share: the server of [`URL_VARIABLE`], or
/// one that is started here. Prints a message and returns `None` if PostgreSQL is not installed.
///
/// # Panics
///
/// If the server cannot be started, or PostgreSQL is not installed and [`REQUIRE_VARIABLE`] is `1`.
pub fn shared_url() -> Option<&'static str> {
    static SHARED: OnceLock<Option<(String, Option<Server>)>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| match std::env::var(URL_VARIABLE) {
        Ok(url) => Some((url, None)),
        Err(_) => own_server().map(|server| (server.url("postgres"), Some(server))),
    });
    shared.as_ref().map(|(url, _)| url.as_str())
}

/// Starts a private server. Prints a message and returns `None` if PostgreSQL is not installed.
///
/// # Panics
///
/// If it cannot be started, or PostgreSQL is not installed and [`REQUIRE_VARIABLE`] is `1`.
pub fn own_server() -> Option<Server> {
    or_skip(Server::start())
}

/// Returns the server that was started. Prints a message and returns `None` if PostgreSQL is not installed.
///
/// # Panics
///
/// As [`own_server`].
#[allow(clippy::panic, reason = "a panic fails the test")]
pub fn or_skip(started: Result<Server, StartError>) -> Option<Server> {
    match started {
        Ok(server) => Some(server),
        Err(StartError::Missing) if std::env::var(REQUIRE_VARIABLE).as_deref() != Ok("1") => {
            // Not with `eprintln!`, because the test harness hides its output.
            let _ = writeln!(io::stderr(), "SKIPPED: {}", StartError::Missing);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The folder with the programs of the newest installed version.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok())
        .filter(|version| Path::new(DEBIAN).join(version.to_string()).join("bin/initdb").is_file())
        .max();
    newest.map(|version| Path::new(DEBIAN).join(version.to_string()).join("bin")).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file())
    })
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n")
}

/// A command that runs as the user of the package if this process is root, because the server refuses to run as root.
fn as_owner(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", SUPERUSER, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // A folder that every user can enter.
    command.current_dir("/");
    command
}

/// Creates a folder that the server's user can write to.
fn new_folder() -> Result<TempDir, StartError> {
    let folder = tempfile::Builder::new().prefix("pgserver-").tempdir();
    let folder = folder.map_err(|error| StartError::Io("make a folder", error))?;
    own(folder.path())?;
    Ok(folder)
}

fn own(folder: &Path) -> Result<(), StartError> {
    if is_root() { run("chown", Command::new("chown").arg("-R").arg(SUPERUSER).arg(folder)) } else { Ok(()) }
}

fn guard(programs: &Path, folder: &Path) -> Result<Child, StartError> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(GUARD).arg(folder);
    let pg_ctl = {
        let mut command = as_owner(&programs.join("pg_ctl"));
        command.arg("-D").arg(folder.join("data"));
        command
    };
    command.arg(pg_ctl.get_program()).args(pg_ctl.get_args()).current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| StartError::Io("start a guard for the server", error))
}

fn free_port() -> io::Result<u16> {
    TcpListener::bind("127.0.0.1:0")?.local_addr().map(|address| address.port())
}

/// Runs a program and waits for its end. Its output goes to a file, because a server that it starts would keep a pipe
/// open.
fn run(name: &'static str, command: &mut Command) -> Result<(), StartError> {
    let failed = |error| StartError::Io(name, error);
    let mut output = tempfile::tempfile().map_err(failed)?;
    let (stdout, stderr) = (output.try_clone().map_err(failed)?, output.try_clone().map_err(failed)?);
    let status = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    let mut text = String::new();
    io::Seek::rewind(&mut output)
        .and_then(|()| io::Read::read_to_string(&mut output, &mut text))
        .map_err(failed)?;
    Err(StartError::Program(name, text))
}
