//! A real browser: headless Chromium, driven through `WebDriver`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

/// A `chromedriver` that ends with the test.
pub struct Driver {
    process: Child,
    url: String,
    /// Where it and its browsers put what they would leave behind.
    _scratch: TempDir,
}

impl Driver {
    pub fn start() -> Driver {
        let scratch = tempfile::tempdir().unwrap();
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", scratch.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver (Debian: chromium-driver) is installed");
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = said.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let url = format!("http://127.0.0.1:{}", port.expect("it names its port"));
        Driver { process, url, _scratch: scratch }
    }

    /// A browser that reaches this machine alone, and keeps a record of what it asks for.
    pub async fn browser(&self) -> Client {
        let capabilities = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
            ] },
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("it is an object") };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities).connect(&self.url).await.unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that only Chromium knows: its path below the session, and its body.
#[derive(Debug)]
struct Extension(&'static str, Value);

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}

pub async fn devtools(browser: &Client, command: &str, parameters: Value) -> Value {
    let body = json!({ "cmd": command, "params": parameters });
    browser.issue_cmd(Extension("goog/cdp/execute", body)).await.unwrap()
}

/// What a log of the browser has gathered since it was last asked for.
pub async fn log(browser: &Client, kind: &str) -> Vec<Value> {
    let entries = browser.issue_cmd(Extension("se/log", json!({ "type": kind }))).await.unwrap();
    entries.as_array().unwrap().clone()
}

/// Where the browser has asked for something.
pub async fn asked_for(browser: &Client) -> Vec<String> {
    let messages = log(browser, "performance").await.into_iter();
    let messages = messages.map(|entry| {
        let text = entry["message"].as_str().unwrap().to_owned();
        serde_json::from_str::<Value>(&text).unwrap()["message"].take()
    });
    let requests = messages.filter(|message| message["method"] == "Network.requestWillBeSent");
    requests.map(|message| message["params"]["request"]["url"].as_str().unwrap().into()).collect()
}

pub async fn text(browser: &Client, css: &str) -> String {
    browser.find(Locator::Css(css)).await.unwrap().text().await.unwrap()
}

pub async fn run(browser: &Client, script: &str) -> Value {
    browser.execute(script, vec![]).await.unwrap()
}

pub async fn screenshot(browser: &Client, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let image = browser.screenshot().await.unwrap();
    std::fs::write(folder.join(format!("{name}.png")), image).unwrap();
}

/// What differs between the looks of one page.
#[derive(Clone, Copy)]
pub struct Look {
    pub name: &'static str,
    pub theme: &'static str,
    pub width: u32,
    pub is_phone: bool,
}

pub const LOOKS: [Look; 4] = [
    Look { name: "desk-dark", theme: "dark", width: 1280, is_phone: false },
    Look { name: "desk-light", theme: "light", width: 1280, is_phone: false },
    Look { name: "phone-dark", theme: "dark", width: 390, is_phone: true },
    Look { name: "phone-light", theme: "light", width: 390, is_phone: true },
];

pub async fn take_on(browser: &Client, look: Look, height: u32) {
    let feature = json!([{ "name": "prefers-color-scheme", "value": look.theme }]);
    devtools(browser, "Emulation.setEmulatedMedia", json!({ "features": feature })).await;
    let scale = if look.is_phone { 2 } else { 1 };
    let metrics = json!({
        "width": look.width, "height": height, "deviceScaleFactor": scale, "mobile": look.is_phone,
    });
    devtools(browser, "Emulation.setDeviceMetricsOverride", metrics).await;
}
