//! `crawl rebuild`: its memory, and files that may not be read.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fakesite::{Page, Site, Web};

use super::run::{Run, expect, measurement_lock, start, stderr, stdout, urlset, wait_until};

/// Maximum peak memory of a rebuild. Most of it is the cache of the database.
const PEAK_BYTES_MAX: u64 = 160 << 20;

/// With 18 KB for each, so many seeds take 360 MB.
const SEEDS: usize = 20_000;

/// A user who is not root, for tests that root runs. Permissions do not stop root.
const NOBODY: u32 = 65_534;

/// The largest peak memory of `child` until it ends.
fn peak_bytes(child: &mut Child) -> u64 {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    wait_until("it ends", || {
        let status = fs::read_to_string(&path).unwrap_or_default();
        if let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            peak = line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10;
        }
        child.try_wait().unwrap().is_some()
    });
    peak
}

#[test]
fn a_rebuild_takes_no_more_memory_for_more_seeds() {
    let _lock = measurement_lock();
    let run = Run::of(Web::new(), &[]);
    let seeds: String = (0..SEEDS).map(|n| format!("https://www.site-{n}.test/\n")).collect();
    fs::write(run.path("seeds.txt"), &seeds).unwrap();
    let mut command = run.crawl_command();
    command.arg("--seeds").arg(run.path("seeds.txt"));
    let mut crawl = start(command);
    let stored = run.data_dir().join("seeds");
    wait_until("all seeds are stored", || {
        fs::read_to_string(&stored).is_ok_and(|stored| stored.lines().count() == SEEDS)
    });
    crawl.kill().unwrap();
    crawl.wait().unwrap();

    let mut rebuild = run.command(&["rebuild"]).stderr(Stdio::null()).spawn().unwrap();
    let peak = peak_bytes(&mut rebuild);
    assert!(rebuild.wait().unwrap().success());
    assert!(peak <= PEAK_BYTES_MAX, "{peak} bytes");
    let status = stdout(&expect(run.command(&["status"]), 0));
    assert!(status.contains("20,000: 0 done, 20,000 pending"), "{status}");
}

/// Lets a user who is not root use everything at `path`.
fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give_away(&entry.unwrap().path()));
    }
}

/// `command` as a user whom permissions stop. The folder of the build may be closed to that user, so the program is copied.
fn as_user(run: &Run, command: &Command) -> Command {
    let program = run.path("crawl");
    if !program.exists() {
        fs::copy(command.get_program(), &program).unwrap();
    }
    let mut copied = Command::new(program);
    copied.args(command.get_args()).current_dir("/").env_remove("RUST_LOG");
    copied.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if rustix::process::geteuid().is_root() {
        copied.uid(NOBODY).gid(NOBODY);
    }
    copied
}

#[test]
fn what_may_not_be_read_is_named_and_not_replaced() {
    let page = Page::xml(urlset(&["https://a.test/1", "https://a.test/2"]));
    let run = Run::of(Web::new().host("a.test", Site::new().page("/sitemap.xml", page)), &["a.test"]);
    run.crawl();
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(run.path(""), Permissions::from_mode(0o755)).unwrap();
        give_away(&run.data_dir());
    }
    let segment = fs::read_dir(run.data_dir().join("segments")).unwrap().next().unwrap().unwrap().path();
    let queue = run.data_dir().join("queue");
    for (file, commands) in [
        (queue.join("db"), &["rebuild", "export", "status", "resume"][..]),
        (segment, &["rebuild", "export"]),
        (run.data_dir().join("seeds"), &["rebuild"]),
    ] {
        let rights = fs::metadata(&file).unwrap().permissions();
        fs::set_permissions(&file, Permissions::from_mode(0o0)).unwrap();
        for name in commands {
            let said = stderr(&expect(as_user(&run, &run.command(&[name])), 1));
            assert!(
                said.contains(file.to_str().unwrap()) && said.contains("Permission denied"),
                "{name}: {said}"
            );
            assert!(said.contains("hint: give your user the right"), "{name}: {said}");
            assert!(!said.contains("crawl rebuild"), "{name}: {said}");
        }
        fs::set_permissions(&file, rights).unwrap();
        assert!(!run.data_dir().join("damaged").exists(), "something was moved");
    }
    let export = expect(as_user(&run, &run.command(&["export", "--format", "txt"])), 0);
    assert_eq!(stdout(&export).lines().count(), 2);
    let report = stdout(&expect(as_user(&run, &run.command(&["report"])), 0));
    assert!(report.contains("Requests"), "the requests of the old queue are still there: {report}");
}
