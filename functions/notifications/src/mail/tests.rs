//! Every mail in every language.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use domain::billing::{Currency, DunningState, Money, Product};
use domain::notifications::{ContactMessage, Ending, Letterhead};
use domain::{DeliveryId, OperationId, SiteId};

use super::texts::{SOURCES, Unsaid, say_in};
use super::*;

const PLACES: Places<'_> = Places { app: "https://app.example.com", support: "support@example.com" };
const NOW: Timestamp = Timestamp::from_secs(1_795_232_640);

fn notices() -> Vec<Notice> {
    let failed = |undone| Notice::ProvisioningFailed {
        site: SiteId::from_ulid(1),
        fqdn: "acme.sites.example.com".to_owned(),
        operation: OperationId::from_ulid(2),
        undone,
    };
    let verification = |hours: i64| Notice::Verification {
        token: "t0ken".to_owned(),
        valid_until: Timestamp::from_secs(NOW.as_secs() + hours * 3_600),
    };
    let message = ContactMessage {
        name: "<b>Anna</b> & Co".to_owned(),
        email: "anna@example.org".parse().unwrap(),
        subject: "Prices & \"terms\"".to_owned(),
        message: "Hello,\n<script>alert(1)</script>\n  indented".to_owned(),
    };
    let mut notices = vec![
        verification(24),
        verification(1),
        Notice::Welcome,
        Notice::SiteReady { site: SiteId::from_ulid(1), fqdn: "acme.sites.example.com".to_owned() },
        failed(true),
        failed(false),
        Notice::ContactMessage(message),
    ];
    notices.extend(money_notices());
    notices
}

/// A sample of each mail about money, in each of its forms.
fn money_notices() -> Vec<Notice> {
    let product = Product::Hosting;
    let amount = Money::new(129_900, Currency::USD);
    let day = Timestamp::from_secs(NOW.as_secs() + 7 * 86_400);
    let plan = || "launch".to_owned();
    let trial = |days_left| Notice::TrialNotice { product, days_left, ends_at: day };
    let grace = |payment_failed| Notice::TrialGrace { product, grace_ends_at: day, payment_failed };
    let converted = |late| Notice::TrialConverted { product, plan: plan(), late };
    let failed = |next_attempt_at| Notice::PaymentFailed {
        product,
        amount,
        next_attempt_at,
        restricted_at: day,
        pay_url: None,
    };
    let access = |to| Notice::AccessChanged { product, to, amount, next_at: Some(day) };
    let receipt = |tax| Notice::Receipt {
        number: "A-0001".to_owned(),
        paid: amount,
        tax: Money::new(tax, Currency::USD),
        paid_at: day,
        url: Some("https://stripe.example/in_1".to_owned()),
    };
    let spend_cap = |percent, hard| Notice::SpendCap {
        product: Product::Campaigns,
        meter: "sms_segments".to_owned(),
        percent,
        limit: amount,
        hard,
    };
    let ending = |ending| Notice::Cancellation { product, plan: plan(), ending, on: Some(day) };
    vec![
        trial(1),
        trial(3),
        trial(7),
        grace(true),
        grace(false),
        Notice::TrialExpired { product, purge_at: day },
        converted(true),
        converted(false),
        failed(None),
        failed(Some(day)),
        Notice::PaymentActionRequired { product, amount, url: "https://bank.example/1".to_owned() },
        access(DunningState::Restricted),
        access(DunningState::Suspended),
        access(DunningState::Resolved),
        Notice::CardExpiring {
            brand: "visa".to_owned(),
            last4: "4242".to_owned(),
            exp_month: 1,
            exp_year: 2027,
        },
        spend_cap(80, true),
        spend_cap(100, false),
        spend_cap(100, true),
        receipt(0),
        receipt(21_650),
        Notice::Refund { amount },
        ending(Ending::Ahead),
        ending(Ending::Over),
        ending(Ending::TakenBack),
        ending(Ending::OfTrial),
    ]
}

fn delivery(locale: Locale, notice: &Notice) -> Delivery {
    let letterhead = Letterhead {
        id: DeliveryId::from_ulid(1),
        cause: None,
        org: None,
        user: None,
        to: "anna@example.com".parse().unwrap(),
        first_name: Some("Anna".to_owned()),
        locale,
    };
    Delivery::queue(letterhead, notice.clone(), NOW)
}

fn mail(locale: Locale, notice: &Notice) -> Mail {
    write(&delivery(locale, notice), notice, PLACES).unwrap()
}

/// The messages and their parts that a source defines.
fn names(source: &str) -> BTreeSet<String> {
    let mut message = String::new();
    let mut names = BTreeSet::new();
    for line in source.lines() {
        let Some((name, _)) = line.split_once(" =") else { continue };
        match name.trim_start().strip_prefix('.') {
            Some(part) => names.insert(format!("{message}.{part}")),
            None if line.starts_with(char::is_alphabetic) => {
                name.clone_into(&mut message);
                names.insert(message.clone())
            }
            None => false,
        };
    }
    names
}

#[test]
fn every_language_has_every_text_and_no_other() {
    let english = names(SOURCES[0].1);
    assert!(english.contains("verification.button") && english.contains("greeting"));
    for (locale, source) in SOURCES {
        assert_eq!(names(source), english, "{}", locale.tag());
    }
    for template in Template::ALL {
        assert!(notices().iter().any(|notice| notice.template() == template), "{template:?} has no sample");
        assert!(english.contains(template.name()), "{template:?} has no text");
    }
}

#[test]
fn no_text_names_what_its_mail_does_not_know() {
    for (locale, source) in SOURCES {
        for notice in notices() {
            let template = notice.template().name();
            let mut known = arguments(&notice, &Texts::of(locale), NOW).unwrap();
            for (message, part) in names(source).iter().map(|name| name.split_once('.').unwrap_or((name, "")))
            {
                if message == template || !Template::ALL.iter().any(|one| one.name() == message) {
                    known.set("support", PLACES.support);
                    if message == "greeting" {
                        known.set("name", "Anna");
                    }
                    if message == "date" {
                        for part in ["day", "month", "year", "first"] {
                            known.set(part, "1");
                        }
                    }
                    let part = Some(part).filter(|part| !part.is_empty());
                    assert!(
                        say_in(locale, message, part, &known).is_ok(),
                        "{:?}",
                        say_in(locale, message, part, &known)
                    );
                }
            }
        }
    }
}

#[test]
fn every_mail_reads_well_in_every_form() {
    for locale in Locale::ALL {
        for notice in notices() {
            let Mail { subject, html, text } = mail(locale, &notice);
            let named = format!("{} {:?}", locale.tag(), notice.template());
            assert!(!subject.chars().any(char::is_control), "{named}: {subject:?}");
            assert!(
                html.contains(&format!(r#"<html lang="{}" dir="{}">"#, locale.tag(), locale.direction())),
                "{named}"
            );
            let buttons = usize::from(notice.template() != Template::ContactMessage);
            assert_eq!(html.matches(r#"<a class="button""#).count(), buttons, "{named}");
            for form in [&html, &text] {
                assert!(
                    !form.contains("{$") && !form.contains("{ $") && !form.contains("{{"),
                    "{named}: {form}"
                );
            }
            assert!(!text.contains("\n\n\n"), "{named}: {text}");
        }
    }
}

#[test]
fn arabic_runs_from_right_to_left_and_keeps_names_whole() {
    let notice = &notices()[3];
    let Mail { subject, html, .. } = mail(Locale::Ar, notice);
    assert_eq!(subject, "موقعك \u{2068}acme.sites.example.com\u{2069} متاح الآن");
    assert!(html.contains(r#"lang="ar" dir="rtl""#) && html.contains("text-align:right"));
    assert!(html.contains(r#"<a class="link" dir="ltr""#));
}

#[test]
fn amounts_and_dates_are_written_as_each_language_does() {
    let day: Timestamp = "2027-03-01T12:00:00Z".parse().unwrap();
    let written = |locale| {
        let texts = Texts::of(locale);
        let plain = |text: String| text.replace(['\u{2068}', '\u{2069}'], "");
        (
            plain(money::date(&texts, day).unwrap()),
            money::amount(locale, Money::new(123_456_789, Currency::EUR)),
            money::amount(locale, Money::new(-5, Currency::USD)),
        )
    };
    let expect = |date: &str, large: &str, small: &str| (date.to_owned(), large.to_owned(), small.to_owned());
    assert_eq!(written(Locale::En), expect("1 March 2027", "1,234,567.89\u{a0}EUR", "-0.05\u{a0}USD"));
    assert_eq!(
        written(Locale::Fr),
        expect("1er mars 2027", "1\u{202f}234\u{202f}567,89\u{a0}EUR", "-0,05\u{a0}USD")
    );
    assert_eq!(written(Locale::Ar), expect("1 مارس 2027", "1,234,567.89\u{a0}EUR", "-0.05\u{a0}USD"));
}

#[test]
fn a_notice_of_a_trials_end_in_each_language() {
    let notice = Notice::TrialNotice {
        product: Product::Hosting,
        days_left: 3,
        ends_at: "2026-12-05T03:44:00Z".parse().unwrap(),
    };
    let Mail { subject, text, .. } = mail(Locale::En, &notice);
    assert_eq!(subject, "Your trial of Tenantry Hosting ends in 3 days");
    assert!(text.contains("ends on 5 December 2026.") && text.contains("https://app.example.com/billing"));
    let subject = |locale| mail(locale, &notice).subject.replace(['\u{2068}', '\u{2069}'], "");
    assert_eq!(subject(Locale::Fr), "Votre essai de Tenantry Hosting se termine dans 3 jours");
    assert_eq!(subject(Locale::Ar), "تنتهي تجربتك لـ Tenantry Hosting خلال 3 أيام");
}

#[test]
fn a_button_leads_where_the_money_is_settled() {
    let url = |notice: &Notice| link(notice, PLACES).unwrap();
    let notices = money_notices();
    let of = |template| notices.iter().find(|notice| notice.template() == template).unwrap();
    assert_eq!(url(of(Template::PaymentActionRequired)), "https://bank.example/1");
    assert_eq!(url(of(Template::Receipt)), "https://stripe.example/in_1");
    assert_eq!(url(of(Template::CardExpiring)), "https://app.example.com/billing/payment-methods");
    assert_eq!(url(of(Template::PaymentFailed)), "https://app.example.com/billing/invoices");
    assert_eq!(url(of(Template::TrialNotice)), "https://app.example.com/billing/plans?product=hosting");
}

#[test]
fn a_stranger_writes_no_html() {
    let notice = &notices()[6];
    let Mail { subject, html, text } = mail(Locale::En, notice);
    assert_eq!(subject, "Contact: Prices & \"terms\"");
    assert!(!html.contains("<script>") && !html.contains("<b>"));
    assert!(html.contains("&lt;script&gt;") && text.contains("<script>alert(1)</script>\n  indented"));
}

#[test]
fn a_missing_text_falls_back_to_english_and_a_broken_one_is_told() {
    let nothing = FluentArgs::new();
    let missing = Texts::of(Locale::Ar).say("no-such-text", None, &nothing);
    assert_eq!(missing, Err(Unsaid::Missing("ar no-such-text".to_owned())));
    assert!(matches!(say_in(Locale::Fr, "greeting", None, &nothing), Err(Unsaid::Broken(..))));
}

#[test]
fn a_site_is_reached_as_the_application_is() {
    assert_eq!(
        site_url("https://app.example.com", "acme.sites.example.com"),
        "https://acme.sites.example.com/"
    );
    assert_eq!(
        site_url("http://localhost:4567/app", "acme.sites.localhost"),
        "http://acme.sites.localhost:4567/"
    );
}

#[test]
fn the_plain_text_of_each_language() {
    let notice = &notices()[0];
    insta::assert_snapshot!(mail(Locale::En, notice).text, @r"
    One click to go

    Hello Anna,

    Welcome to Tenantry! Please confirm that this address is yours. From then on you can deploy your first site.

    The link works once, within 24 hours.

    Confirm my address:
    https://app.example.com/verify-email?token=t0ken

    You did not sign up? Then ignore this mail; without your click nothing happens.

    Warm regards, your Tenantry team

    Any question? Write to support@example.com. People read it, and answer.
    ");
    let french = mail(Locale::Fr, notice).text;
    assert!(french.contains("Bonjour Anna,") && french.contains("pendant 24 heures."), "{french}");
    let arabic = mail(Locale::Ar, notice).text;
    assert!(arabic.contains("مرحبًا \u{2068}Anna\u{2069}،") && arabic.contains("24"), "{arabic}");
}
