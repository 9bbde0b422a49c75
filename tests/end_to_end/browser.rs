//! A headless Chromium, controlled over the DevTools protocol through two pipes, without a port or a library.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The byte that ends every message of the protocol (`--remote-debugging-pipe`).
const END: u8 = 0;

/// A browser with one page. It sends only the requests that the page causes.
pub struct Browser {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    commands_sent: u64,
    events: VecDeque<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it with a window of this size in pixels.
    pub fn start(width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The browser reads commands from descriptor 3 and answers on 4; the shell connects them to our pipes.
        let mut process = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1", "sh"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"])
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let commands = process.stdin.take();
        let (session, events) = (None, VecDeque::new());
        let mut browser =
            Self { process, commands, answers, session, commands_sent: 0, events, _profile: profile };
        let page = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            browser.call("Target.attachToTarget", json!({"targetId": page["targetId"], "flatten": true}));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.resize(width, height);
        browser
    }

    /// Sets the size of the window in pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Sets the preferred color scheme: `light` or `dark`.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Opens a file and waits until it has loaded.
    pub fn open(&mut self, path: &Path) {
        self.events.clear();
        self.call("Page.navigate", json!({"url": format!("file://{}", path.display())}));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.read();
            self.events.push_back(event);
        }
    }

    /// Evaluates an expression and returns its value as JSON.
    pub fn eval(&mut self, expression: &str) -> Value {
        let answer = self.call("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The text of every element that matches a selector.
    pub fn texts(&mut self, selector: &str) -> Vec<String> {
        let expression =
            format!("[...document.querySelectorAll({})].map(e => e.textContent)", json!(selector));
        serde_json::from_value(self.eval(&expression)).unwrap()
    }

    /// Clicks with the mouse in the middle of the first element that matches a selector.
    pub fn click(&mut self, selector: &str) {
        let place = self.eval(&format!(
            "(() => {{ const e = document.querySelector({}); e.scrollIntoView({{block: 'center'}}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()",
            json!(selector)
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Types into the element that has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Presses a key, given by its name and its virtual key code.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// A screenshot of the window as a PNG.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}));
        STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    /// Problems since the page was opened: console messages, exceptions, blocked or failed requests.
    pub fn problems(&mut self) -> Vec<String> {
        // All earlier events have been received once an answer arrives.
        self.eval("0");
        let is_problem = |event: &&Value| {
            let methods = [
                "Runtime.consoleAPICalled",
                "Runtime.exceptionThrown",
                "Log.entryAdded",
                "Network.loadingFailed",
            ];
            methods.iter().any(|method| event["method"] == *method)
                || event["params"]["blockedReason"].is_string()
        };
        self.events.iter().filter(is_problem).map(Value::to_string).collect()
    }

    /// The URLs requested since the page was opened.
    pub fn requests(&mut self) -> Vec<String> {
        self.eval("0");
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.map(|event| event["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    fn call(&mut self, method: &str, params: impl Into<Value>) -> Value {
        self.commands_sent += 1;
        let mut command = json!({"id": self.commands_sent, "method": method, "params": params.into()});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let mut message = command.to_string().into_bytes();
        message.push(END);
        self.commands.as_mut().unwrap().write_all(&message).unwrap();
        loop {
            let answer = self.read();
            if answer["id"] == self.commands_sent {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.answers.read_until(END, &mut message).unwrap();
        assert_eq!(message.pop(), Some(END), "the browser ended; is chromium installed?");
        serde_json::from_slice(&message).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends when its command pipe is closed. The profile is deleted afterwards.
        drop(self.commands.take());
        let _ = self.process.wait();
    }
}
