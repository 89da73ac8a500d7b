//! What customers live through, played from outside over HTTP: the main job, from a sign-up to a site that is served; and the
//! life of a customer, from a trial to a plan and back.

mod billing;
mod hosting;

use std::cell::RefCell;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::harness::people::PASSWORD;
use crate::harness::{Answer, Web};
use crate::stack::{Options, REGION, Running};
use crate::{Context, Error, Result};

/// How far the stack's clock may be moved while something is waited for.
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);
/// How far it is moved at a time.
const STRIDE: Duration = Duration::from_secs(15);
/// Tries by real time before the clock is moved.
const QUICK_LOOKS: u32 = 3;

/// Which tour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The main job.
    Hosting,
    /// The life of a customer.
    Billing,
}

/// Plays the tour against the stack that listens on the port, or against one of its own.
///
/// # Errors
/// Naming the step that was not as it should be.
pub async fn play(route: Route, port: u16, options: Options) -> Result<()> {
    let web = Web::new(format!("http://127.0.0.1:{port}"));
    let running = match web.send(Method::GET, "/_local/clock", &HeaderMap::new(), Bytes::new()).await {
        Ok(answer) if answer.json()["now"].is_string() => {
            say(&format!("A stack listens on port {port}: the tour goes there."));
            None
        }
        Ok(_) => return Err(Error::new(format!("what listens on port {port} is no stack"))),
        Err(_) => {
            say("No stack is running: the tour starts its own.");
            Some(Running::start(Options { real_time: false, ..options }).await?)
        }
    };
    let tour = Tour::new(web, port);
    let result = match route {
        Route::Hosting => tour.host().await,
        Route::Billing => tour.live().await,
    };
    drop(running);
    result?;
    say("\nThe tour is green.");
    Ok(())
}

struct Tour {
    web: Web,
    port: u16,
    word: String,
    email: String,
}

/// Somebody signed in. Moving the clock outlives access tokens, so a new one is fetched now and then.
struct Person {
    token: RefCell<String>,
}

impl Tour {
    fn new(web: Web, port: u16) -> Self {
        let word = crate::random::word();
        let email = format!("tour-{word}@example.com");
        Self { web, port, word, email }
    }

    async fn sign_up(&self) -> Result<Person> {
        step("Sign up");
        let body = json!({
            "email": self.email, "password": PASSWORD, "first_name": "Tour", "last_name": "Guest",
            "locale": "en", "accept_terms": true,
        });
        let session = self.api(None, Method::POST, "/v1/auth/signup", Some(body), 201).await?;
        fine(&format!("{} has an account and a session", self.email));
        Ok(Person { token: RefCell::new(text(&session, "/token")?) })
    }

    async fn log_in(&self, person: &Person) -> Result<()> {
        let body = json!({ "email": self.email, "password": PASSWORD });
        let answer = self.send(None, Method::POST, "/v1/auth/login", Some(body)).await?;
        ensure_quietly(answer.status == 200, &format!("logging in again answers {}", answer.status))?;
        person.token.replace(text(&answer.json(), "/token")?);
        Ok(())
    }

    async fn verify(&self, person: &Person) -> Result<()> {
        step("Receive the verification mail and follow its link");
        let link = self
            .wait("the verification mail", async || {
                let mail =
                    self.mail(|mail| mail["text"].to_string().contains("/verify-email?token=")).await?;
                Ok(mail.and_then(|mail| link(mail["text"].as_str()?, "/verify-email")))
            })
            .await?;
        fine(&format!("link received: {}", link.split('?').next().unwrap_or_default()));
        let path = link.splitn(4, '/').nth(3).map(|rest| format!("/{rest}")).unwrap_or_default();
        let page = self.web.send(Method::GET, &path, &HeaderMap::new(), Bytes::new()).await?;
        ensure(page.status == 200 && page.text().contains("<form"), "the link opens a page with a button")?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let query = path.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
        let pressed = self.web.send(Method::POST, "/_local/app/verify-email", &headers, query.into()).await?;
        ensure(pressed.text().contains("Confirmed"), "pressing it confirms the address")?;
        let me = self.api(Some(person), Method::GET, "/v1/me", None, 200).await?;
        ensure(me["user"]["email_verified"] == true, "the account knows that the address is confirmed")
    }

    async fn no_dead_letters(&self) -> Result<()> {
        let queues = self.local("queues").await?;
        let all = queues.as_array().into_iter().flatten();
        let dead = all.filter(|queue| queue["holds_dead_letters"] == true);
        let left: u64 = dead.filter_map(|queue| queue["visible"].as_u64()).sum();
        ensure(left == 0, "no dead letters are left")
    }

    /// Moves the stack's clock.
    async fn forward(&self, span: Duration) -> Result<()> {
        let body = json!({ "advance_seconds": span.as_secs() }).to_string();
        let answer = self.web.send(Method::POST, "/_local/clock", &HeaderMap::new(), body.into()).await?;
        ensure_quietly(answer.status == 200, &format!("moving the clock: {}", answer.text()))
    }

    /// Looks until there is something, moving the stack's clock where waiting would be long.
    async fn wait<T>(&self, what: &str, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
        let mut moved = Duration::ZERO;
        for looks in 0.. {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if moved > PATIENCE {
                break;
            }
            if looks < QUICK_LOOKS {
                tokio::time::sleep(Duration::from_millis(100 << looks)).await;
                continue;
            }
            self.forward(STRIDE).await?;
            moved += STRIDE;
        }
        Err(Error::new(format!("waited {} min of the stack's time in vain for {what}", moved.as_secs() / 60)))
    }

    async fn mail(&self, wanted: impl Fn(&Value) -> bool) -> Result<Option<Value>> {
        let mails = self.local("mails").await?;
        let own = |mail: &&Value| {
            mail["to"].as_array().is_some_and(|to| to.iter().any(|to| *to == self.email.as_str()))
        };
        Ok(mails.as_array().into_iter().flatten().filter(own).find(|mail| wanted(mail)).cloned())
    }

    async fn local(&self, section: &str) -> Result<Value> {
        let answer = self
            .web
            .send(Method::GET, &format!("/_local/{section}"), &HeaderMap::new(), Bytes::new())
            .await?;
        ensure_quietly(answer.status == 200, &format!("/_local/{section} answers {}", answer.status))?;
        Ok(answer.json())
    }

    /// A call to the AWS endpoint as the account's owner.
    async fn aws(&self, service: &str, path: &str) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        let credential = format!(
            "AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&credential)?);
        self.web.send(Method::GET, path, &headers, Bytes::new()).await
    }

    async fn api(
        &self,
        who: Option<&Person>,
        method: Method,
        path: &str,
        body: Option<Value>,
        status: u16,
    ) -> Result<Value> {
        let asked = format!("{method} {path}");
        let mut answer = self.send(who, method.clone(), path, body.clone()).await.context(&asked)?;
        if let Some(person) = who.filter(|_| answer.status == 401 && answer.code() == "token_expired") {
            self.log_in(person).await?;
            answer = self.send(who, method, path, body).await.context(&asked)?;
        }
        if answer.status == status {
            return Ok(answer.json());
        }
        Err(Error::new(format!("{asked} answers {} instead of {status}: {}", answer.status, answer.text())))
    }

    async fn send(
        &self,
        who: Option<&Person>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        if let Some(person) = who {
            headers
                .insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", person.token.borrow()))?);
            if method != Method::GET {
                let key = format!("tour-{}{}", self.word, path.replace('/', "-"));
                headers.insert("idempotency-key", HeaderValue::from_str(&key)?);
            }
        }
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        self.web.send(method, path, &headers, body).await
    }
}

/// The first address in a text whose path ends so.
fn link(text: &str, path: &str) -> Option<String> {
    let words = text.split(|letter: char| letter.is_whitespace() || matches!(letter, '<' | '>' | '"'));
    let mut links = words.filter(|word| word.starts_with("http"));
    links.find(|link| link.split('?').next().is_some_and(|front| front.ends_with(path))).map(str::to_owned)
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| Error::new(format!("no {pointer} in {value}")))
}

fn shown(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn ensure(holds: bool, what: &str) -> Result<()> {
    ensure_quietly(holds, what)?;
    fine(what);
    Ok(())
}

fn ensure_quietly(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::new(format!("not so: {what}"))) }
}

fn step(title: &str) {
    say(&format!("\n{title}"));
}

fn fine(what: &str) {
    say(&format!("  ok  {what}"));
}

fn note(what: &str) {
    say(&format!("      {what}"));
}

fn say(line: &str) {
    // Nobody may be reading any more, which is no reason to stop.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
