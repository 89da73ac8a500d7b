//! What the mails about trials, plans and payments name: amounts and dates as the reader's language writes them.

use domain::billing::{DunningState, Money, Product, catalog};
use domain::notifications::{Ending, Notice};
use domain::{Locale, Timestamp};
use fluent_bundle::FluentArgs;

use super::texts::{Texts, Unsaid};

/// The months as the texts name them.
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// What the texts of a notice may name; nothing for a notice that is not about money.
pub(super) fn arguments(
    notice: &Notice,
    texts: &Texts,
    arguments: &mut FluentArgs<'_>,
) -> Result<(), Unsaid> {
    let day = |at: Option<Timestamp>| at.map_or(Ok(String::new()), |at| date(texts, at));
    let amount = |money: Money| amount(texts.locale(), money);
    if let Some(product) = product(notice) {
        arguments.set("product", catalog().product(product).title.clone());
    }
    match notice {
        Notice::TrialNotice { days_left, ends_at, .. } => {
            arguments.set("days", *days_left);
            arguments.set("date", date(texts, *ends_at)?);
        }
        Notice::TrialGrace { grace_ends_at, payment_failed, .. } => {
            arguments.set("date", date(texts, *grace_ends_at)?);
            arguments.set("cause", if *payment_failed { "failed" } else { "over" });
        }
        Notice::TrialExpired { purge_at, .. } => arguments.set("date", date(texts, *purge_at)?),
        Notice::TrialConverted { product, plan, late } => {
            arguments.set("plan", title(*product, plan));
            arguments.set("late", yes(*late));
        }
        Notice::PaymentFailed { amount: owed, next_attempt_at, restricted_at, .. } => {
            arguments.set("amount", amount(*owed));
            arguments.set("retry", yes(next_attempt_at.is_some()));
            arguments.set("next", day(*next_attempt_at)?);
            arguments.set("date", date(texts, *restricted_at)?);
        }
        Notice::PaymentActionRequired { amount: owed, .. } => arguments.set("amount", amount(*owed)),
        Notice::AccessChanged { to, amount: owed, next_at, .. } => {
            arguments.set("amount", amount(*owed));
            arguments.set("date", day(*next_at)?);
            arguments.set(
                "level",
                match to {
                    DunningState::Restricted => "restricted",
                    DunningState::Suspended | DunningState::Canceled => "suspended",
                    DunningState::Retrying | DunningState::Resolved => "open",
                },
            );
        }
        Notice::CardExpiring { brand, last4, exp_month, exp_year } => {
            arguments.set("brand", capitalised(brand));
            arguments.set("last4", last4.clone());
            arguments.set("month", format!("{exp_month:02}/{exp_year}"));
        }
        Notice::SpendCap { meter, percent, limit, hard, .. } => {
            let title = catalog().meter(meter).map_or(meter.as_str(), |(_, meter)| meter.title.as_str());
            arguments.set("meter", title.to_owned());
            arguments.set("percent", percent.to_string());
            arguments.set("amount", amount(*limit));
            arguments.set(
                "outcome",
                match (*percent >= 100, *hard) {
                    (false, _) => "open",
                    (true, false) => "reached",
                    (true, true) => "stopped",
                },
            );
        }
        Notice::Receipt { number, paid, tax, paid_at, .. } => {
            arguments.set("number", number.clone());
            arguments.set("amount", amount(*paid));
            arguments.set("taxed", yes(tax.minor != 0));
            arguments.set("tax", amount(*tax));
            arguments.set("date", date(texts, *paid_at)?);
        }
        Notice::Refund { amount: back } => arguments.set("amount", amount(*back)),
        Notice::Cancellation { product, plan, ending, on } => {
            arguments.set("plan", title(*product, plan));
            arguments.set("date", day(*on)?);
            arguments.set(
                "outcome",
                match ending {
                    Ending::Ahead => "ahead",
                    Ending::Over => "over",
                    Ending::TakenBack => "back",
                    Ending::OfTrial => "trial",
                },
            );
        }
        _ => {}
    }
    Ok(())
}

/// Where the button of a notice about money leads.
pub(super) fn link(notice: &Notice, app: &str) -> String {
    let plans = |product: &Product| format!("{app}/billing/plans?product={product}");
    let invoices = || format!("{app}/billing/invoices");
    match notice {
        Notice::TrialNotice { product, .. }
        | Notice::TrialGrace { product, .. }
        | Notice::TrialExpired { product, .. } => plans(product),
        Notice::PaymentActionRequired { url, .. } => url.clone(),
        Notice::PaymentFailed { pay_url, .. } => pay_url.clone().unwrap_or_else(invoices),
        Notice::Receipt { url, .. } => url.clone().unwrap_or_else(invoices),
        Notice::AccessChanged { to: DunningState::Resolved, .. } => format!("{app}/billing"),
        Notice::AccessChanged { .. } | Notice::Refund { .. } => invoices(),
        Notice::CardExpiring { .. } => format!("{app}/billing/payment-methods"),
        Notice::SpendCap { .. } => format!("{app}/billing/caps"),
        _ => format!("{app}/billing"),
    }
}

/// A day, as a language writes it, in UTC: the day that the product counts by.
pub(super) fn date(texts: &Texts, at: Timestamp) -> Result<String, Unsaid> {
    let written = at.to_string();
    let mut parts = written.split(['-', 'T']);
    let mut next = || parts.next().unwrap_or_default();
    let (year, month, day) = (next(), next(), next().trim_start_matches('0'));
    let month = month.parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
    let mut arguments = FluentArgs::new();
    arguments.set("year", year);
    arguments.set("month", *month.unwrap_or(&"jan"));
    arguments.set("day", day);
    arguments.set("first", yes(day == "1"));
    texts.say("date", None, &arguments)
}

/// An amount, as a language writes it, with its currency's code, which no two currencies share.
pub(super) fn amount(locale: Locale, money: Money) -> String {
    let (group, point) = match locale {
        Locale::En | Locale::Ar => (",", '.'),
        Locale::Fr => ("\u{202f}", ','),
    };
    let decimal = money.decimal();
    let (sign, decimal) = decimal.strip_prefix('-').map_or(("", decimal.as_str()), |rest| ("-", rest));
    let (whole, part) = decimal.split_once('.').map_or((decimal, None), |(whole, part)| (whole, Some(part)));
    let first = whole.len() % 3;
    let groups = whole.as_bytes()[first..].chunks(3).filter_map(|digits| std::str::from_utf8(digits).ok());
    let groups: Vec<&str> =
        Some(&whole[..first]).filter(|head| !head.is_empty()).into_iter().chain(groups).collect();
    let part = part.map(|part| format!("{point}{part}")).unwrap_or_default();
    let code = money.currency.as_str().to_uppercase();
    format!("{sign}{}{part}\u{a0}{code}", groups.join(group))
}

fn product(notice: &Notice) -> Option<Product> {
    match notice {
        Notice::TrialNotice { product, .. }
        | Notice::TrialGrace { product, .. }
        | Notice::TrialExpired { product, .. }
        | Notice::TrialConverted { product, .. }
        | Notice::PaymentFailed { product, .. }
        | Notice::PaymentActionRequired { product, .. }
        | Notice::AccessChanged { product, .. }
        | Notice::SpendCap { product, .. }
        | Notice::Cancellation { product, .. } => Some(*product),
        _ => None,
    }
}

/// A plan, as people call it.
fn title(product: Product, plan: &str) -> String {
    catalog().plan(product, plan).map_or_else(|| plan.to_owned(), |plan| plan.title.clone())
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
