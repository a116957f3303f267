//! What the page says, in each language that e-mails are written in.

/// The sentences of one language; `{business}` stands for the name of the business.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// Its BCP 47 tag.
    pub(super) language: &'static str,
    /// The heading.
    pub(super) title: &'static str,
    /// To a customer who gets e-mails.
    pub(super) subscribed: &'static str,
    /// To a customer who gets none.
    pub(super) unsubscribed: &'static str,
    /// What comes all the same.
    pub(super) mandatory: &'static str,
    /// The button that ends e-mails.
    pub(super) unsubscribe: &'static str,
    /// The button that brings them back.
    pub(super) subscribe: &'static str,
}

/// English comes first: it is the last resort for a language that nobody wrote.
const LANGUAGES: [Words; 5] = [
    Words {
        language: "en",
        title: "E-mails from {business}",
        subscribed: "You get e-mails from {business} about your packages.",
        unsubscribed: "You are unsubscribed: {business} sends you no more e-mails about your packages.",
        mandatory: "Only what {business} is obliged to send you still comes.",
        unsubscribe: "Unsubscribe",
        subscribe: "Subscribe again",
    },
    Words {
        language: "et",
        title: "{business}: e-kirjad",
        subscribed: "{business} saadab sulle e-kirju sinu pakettide kohta.",
        unsubscribed: "Oled kirjadest loobunud: {business} ei saada sulle enam e-kirju sinu pakettide kohta.",
        mandatory: "Edaspidi tuleb ainult see, mille saatmine on kohustuslik.",
        unsubscribe: "Loobu kirjadest",
        subscribe: "Telli kirjad uuesti",
    },
    Words {
        language: "de",
        title: "E-Mails von {business}",
        subscribed: "Sie erhalten E-Mails von {business} zu Ihren Paketen.",
        unsubscribed: "Sie sind abgemeldet: {business} schickt Ihnen keine E-Mails mehr zu Ihren Paketen.",
        mandatory: "Es kommt nur noch, was {business} Ihnen schicken muss.",
        unsubscribe: "Abmelden",
        subscribe: "Wieder anmelden",
    },
    Words {
        language: "fr",
        title: "E-mails de {business}",
        subscribed: "Vous recevez des e-mails de {business} au sujet de vos forfaits.",
        unsubscribed: "Vous êtes désabonné : {business} ne vous envoie plus d’e-mails au sujet de vos forfaits.",
        mandatory: "Vous ne recevrez plus que les messages que {business} est tenu de vous envoyer.",
        unsubscribe: "Se désabonner",
        subscribe: "Se réabonner",
    },
    Words {
        language: "es",
        title: "Correos de {business}",
        subscribed: "Recibe correos de {business} sobre sus bonos.",
        unsubscribed: "Se ha dado de baja: {business} ya no le envía correos sobre sus bonos.",
        mandatory: "Solo recibirá lo que {business} está obligado a enviarle.",
        unsubscribe: "Darse de baja",
        subscribe: "Volver a suscribirse",
    },
];

impl Words {
    /// The words for a BCP 47 tag, by its language.
    pub(super) fn of(tag: &str) -> Self {
        let [english, ..] = LANGUAGES;
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        let known = |words: &Self| words.language.eq_ignore_ascii_case(language);
        LANGUAGES.into_iter().find(known).unwrap_or(english)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_finds_its_language_and_an_unknown_one_english() {
        for (tag, language) in [
            ("et-EE", "et"),
            ("ET", "et"),
            ("de_AT", "de"),
            ("fr", "fr"),
            ("es-419", "es"),
            ("fi", "en"),
            ("", "en"),
        ] {
            assert_eq!(Words::of(tag).language, language, "{tag}");
        }
    }
}
