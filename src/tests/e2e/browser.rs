//! The page in a real browser: headless Chromium, driven through `WebDriver`, in both themes, on a
//! desk and on a phone. Its screenshots are left in `target/screenshots`.

use fantoccini::Client;
use serde_json::json;

use super::webdriver::{Driver, LOOKS, Look, asked_for, log, run, screenshot, take_on, text};
use super::*;
use crate::clock;
use crate::state::StateFile;
use crate::stats::Ledger;
use crate::stats::clients::Code;
use crate::stats::figures::Figures;
use crate::stats::ledger::{PastDay, day_of};
use crate::stats::sketch::Sketch;
use crate::swarm::Swarms;

/// The page refreshes itself every five seconds.
const REFRESHED: Duration = Duration::from_secs(20);

/// A month of a tracker that has some visitors, most of them in the evening.
fn past() -> Ledger {
    let now = clock::unix_secs();
    let mut ledger = Ledger::new([3, 4], now - 40 * 24 * 3600);
    let evening = |hour: u64| 40 + (hour + 24 - 7) % 24 * (31 - (hour + 24 - 7) % 24);
    let hour = |hour: u64, scale: u64| {
        let busy = evening(hour) * scale;
        let mut words = [busy * 41, busy * 17, busy * 2, 0, busy * 7, busy * 4, 0, 0, 0, 0];
        words[6..].copy_from_slice(&[busy * 9_000, busy * 1_100, busy * 9, busy * 4]);
        Figures::from_words(words)
    };
    ledger.turn_to(day_of(now) - 1, |_| {});
    ledger.today.hours = std::array::from_fn(|at| hour(at as u64, 5));
    let clients = [(*b"qB", 52), (*b"TR", 17), (*b"UT", 11), (*b"lt", 6), (*b"DE", 5), (*b"BI", 2)];
    for (letters, share) in clients {
        let mut peer_id = [b'-'; 20];
        peer_id[1..3].copy_from_slice(&letters);
        ledger.today.clients.add(Code::of(&peer_id), share * 11_350);
    }
    ledger.today.clients.add(Code::of(&[0; 20]), 9_420);
    ledger.turn_to(day_of(now), |_| {});
    let hours_gone = now / 3600 % 24;
    for at in 0..hours_gone {
        ledger.today.hours[at as usize] = hour(at, 6);
    }
    ledger.today.clients = ledger.yesterday.clients.clone();
    let registers: Vec<u8> = (1..=4096_u32).map(|n| 4 + n.trailing_zeros() as u8).collect();
    ledger.yesterday.addresses = Sketch::from_registers(&registers).unwrap();
    ledger.today.addresses = ledger.yesterday.addresses.clone();
    let day = day_of(now);
    ledger.past = (day - 30..day - 1)
        .map(|number| PastDay { number, announces: 900_000 + u64::from(number % 7) * 160_000 })
        .collect();
    let before = ledger.past.iter().map(|day| day.announces).sum();
    ledger.before.figures.announces[0][0] = before;
    ledger
}

/// A server with a past, on loopback, whose page shows three protocols.
fn server() -> TestServer {
    TestServer::with(|config| {
        let folder = tempfile::tempdir().unwrap().keep();
        let path = folder.join("state");
        let file = StateFile::open(path.clone()).unwrap();
        file.save(&Swarms::new(&config.swarm), &past(), clock::Clock::start().now()).unwrap();
        config.state = Some(crate::config::State { file: path, period: Duration::from_hours(1) });
        config.web.http_port = Some(0);
    })
}

/// Loads the page, and looks at each of its spans of time.
async fn view(browser: &Client, page: &str, look: Look) {
    take_on(browser, look, 900).await;
    browser.goto(page).await.unwrap();
    for period in ["today", "yesterday", "all-time"] {
        let choose = format!("document.querySelector('[value=\"{period}\"]').click()");
        run(browser, &choose).await;
        let shown = run(
            browser,
            "return [...document.querySelectorAll('.panel')]
                .filter((panel) => panel.offsetHeight > 0).map((panel) => panel.id)",
        )
        .await;
        assert_eq!(shown, json!([period]), "{}", look.name);
        let sizes = run(
            browser,
            "const page = document.documentElement;
             return [page.scrollWidth, page.clientWidth, page.scrollHeight]",
        )
        .await;
        assert_eq!(sizes[0], sizes[1], "{}, {period}: no scrolling sideways", look.name);
        take_on(browser, look, sizes[2].as_u64().unwrap() as u32).await;
        screenshot(browser, &format!("{}-{period}", look.name)).await;
        take_on(browser, look, 900).await;
    }
    let ground = run(browser, "return getComputedStyle(document.documentElement).backgroundColor");
    let is_dark = ground.await == "rgb(12, 13, 18)";
    assert_eq!(is_dark, look.theme == "dark", "{}", look.name);
}

/// Announces by two protocols, and waits until the page has noticed by itself.
async fn see_figures_move(browser: &Client, server: &TestServer, page: &str) {
    take_on(browser, LOOKS[0], 900).await;
    browser.goto(page).await.unwrap();
    let first = ".panel-today .fact dd";
    let before = text(browser, first).await;
    run(browser, "document.querySelector('.panel-today .fact').dataset.same = 'yes'").await;
    run(browser, "window.sameChart = document.querySelector('.panel-today .chart')").await;
    for port in 7000..7010 {
        server.get(&target(port, "left=0"));
    }
    server.udp_client().announce(&Announce::sample(7100, 1));
    let counted = before.replace(',', "").parse::<u64>().unwrap() + 11;
    let start = Instant::now();
    loop {
        if text(browser, first).await.replace(',', "") == counted.to_string() {
            break;
        }
        assert!(start.elapsed() < REFRESHED, "{before} stays {}", text(browser, first).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(text(browser, "#tiles .tile:nth-child(2) dd").await, "11", "live peers");
    let stays = "return window.sameChart === document.querySelector('.panel-today .chart')";
    assert_eq!(run(browser, stays).await, true, "what has not changed is left alone");
    screenshot(browser, "figures-moved").await;
}

#[test]
fn page_is_right_in_a_real_browser() {
    let server = server();
    let page = format!("http://{}/", server.addresses().web_http[0]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let driver = Driver::start();
        let browser = driver.browser().await;
        for look in LOOKS {
            view(&browser, &page, look).await;
        }
        see_figures_move(&browser, &server, &page).await;

        let asked = asked_for(&browser).await;
        assert!(asked.len() > 10, "the record is kept: {asked:?}");
        for url in &asked {
            assert!(url.starts_with(&page), "{url} is not of the tracker");
        }
        let complaints = log(&browser, "browser").await;
        assert!(complaints.is_empty(), "{complaints:?}");

        // The record would have shown a request elsewhere, and the log what the policy forbids.
        run(&browser, "fetch('http://127.0.0.2:9/elsewhere').catch(() => {})").await;
        let start = Instant::now();
        while !log(&browser, "browser").await.iter().any(|entry| {
            entry["message"].as_str().is_some_and(|text| text.contains("Content Security Policy"))
        }) {
            assert!(start.elapsed() < PATIENCE, "a violation is not noticed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        browser.close().await.unwrap();
    });
}
