//! Tests of the `fakesite` program.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::client::{read_all, request};

#[test]
fn the_command_serves_until_it_is_told_to_stop_and_leaves_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut child = Command::new(env!("CARGO_BIN_EXE_fakesite"))
        .args([
            "plain",
            "--hosts",
            "2",
            "--sitemaps",
            "1",
            "--entries",
            "1",
            "--latency-ms",
            "0-1",
            "--seconds",
            "1",
        ])
        .args(["--ca-out".as_ref(), path("ca.pem").as_os_str()])
        .args(["--port-out".as_ref(), path("port").as_os_str()])
        .args(["--seeds-out".as_ref(), path("seeds.txt").as_os_str()])
        .args(["--log".as_ref(), path("log.jsonl").as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    assert_eq!(ready, format!("fakesite ready on 127.0.0.1:{}", read("port")));
    assert_eq!(read("seeds.txt"), "site00000.test\nsite00001.test\n");
    assert!(read("ca.pem").starts_with("-----BEGIN CERTIFICATE-----"));

    let mut stream = TcpStream::connect(format!("127.0.0.1:{}", read("port").trim())).unwrap();
    stream.write_all(request("/nowhere", "connection: close\r\n").as_bytes()).unwrap();
    assert_eq!(read_all(&mut stream, usize::MAX).status(), 404);
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert!(read("log.jsonl").contains("\"path\":\"/nowhere\""));
}

#[test]
fn the_command_stops_by_itself_when_its_time_is_over() {
    let command = &mut Command::new(env!("CARGO_BIN_EXE_fakesite"));
    let output = command.args(["plain", "--seconds", "0"]).output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("fakesite ready on 127.0.0.1:"));
}
