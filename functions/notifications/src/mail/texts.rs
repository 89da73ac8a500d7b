//! The mails' texts in three languages, by Fluent.

use std::sync::LazyLock;

use domain::Locale;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

/// Each language's texts.
pub(super) const SOURCES: [(Locale, &str); 3] = [
    (Locale::En, include_str!("../../texts/en.ftl")),
    (Locale::Fr, include_str!("../../texts/fr.ftl")),
    (Locale::Ar, include_str!("../../texts/ar.ftl")),
];

static BUNDLES: LazyLock<Vec<(Locale, FluentBundle<FluentResource>)>> =
    LazyLock::new(|| SOURCES.iter().map(|(locale, source)| (*locale, bundle(*locale, source))).collect());

/// The texts that one reader may see: those of their language, then English.
pub(super) struct Texts {
    locale: Locale,
}

/// A text that cannot be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unsaid {
    /// There is none.
    Missing(String),
    /// It names something that its mail does not know.
    Broken(String, String),
}

impl Texts {
    pub(super) fn of(locale: Locale) -> Self {
        Self { locale }
    }

    pub(super) fn locale(&self) -> Locale {
        self.locale
    }

    /// A message, or one of its parts, in the reader's language if it is there and whole, else in English.
    pub(super) fn say(
        &self,
        message: &str,
        part: Option<&str>,
        arguments: &FluentArgs<'_>,
    ) -> Result<String, Unsaid> {
        say_in(self.locale, message, part, arguments)
            .or_else(|unsaid| say_in(Locale::En, message, part, arguments).map_err(|_| unsaid))
    }
}

/// A message, or one of its parts, in exactly this language.
pub(super) fn say_in(
    locale: Locale,
    message: &str,
    part: Option<&str>,
    arguments: &FluentArgs<'_>,
) -> Result<String, Unsaid> {
    let name =
        || format!("{} {message}{}", locale.tag(), part.map(|part| format!(".{part}")).unwrap_or_default());
    let missing = || Unsaid::Missing(name());
    let (_, bundle) = BUNDLES.iter().find(|(of, _)| *of == locale).ok_or_else(missing)?;
    let text = bundle.get_message(message).ok_or_else(missing)?;
    let pattern = match part {
        Some(part) => text.get_attribute(part).map(|attribute| attribute.value()),
        None => text.value(),
    };
    let mut errors = Vec::new();
    let said = bundle.format_pattern(pattern.ok_or_else(missing)?, Some(arguments), &mut errors);
    match errors.first() {
        None => Ok(said.into_owned()),
        Some(error) => Err(Unsaid::Broken(name(), error.to_string())),
    }
}

fn bundle(locale: Locale, source: &str) -> FluentBundle<FluentResource> {
    let tag: LanguageIdentifier = locale.tag().parse().expect("a locale's tag is BCP 47");
    let mut bundle = FluentBundle::new_concurrent(vec![tag]);
    // Latin names and addresses within Arabic keep their order only between isolation marks. Elsewhere these marks would
    // be no more than clutter that old mail programs show as boxes.
    bundle.set_use_isolating(locale == Locale::Ar);
    let resource = FluentResource::try_new(source.to_owned()).expect("a test reads every language's texts");
    bundle.add_resource(resource).expect("a test finds no text twice");
    bundle
}

impl std::fmt::Display for Unsaid {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(name) => write!(formatter, "there is no text {name}"),
            Self::Broken(name, why) => write!(formatter, "text {name}: {why}"),
        }
    }
}

impl std::error::Error for Unsaid {}
