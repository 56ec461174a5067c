//! The defences of notifications by name, so that a test can take one away and show what it was for.
//!
//! In the product all of them stand: [`off`] is `false` at compile time, and what is done without one exists in test builds
//! only. Deliberately not here: the defences themselves, each of which is where it holds.

zhiyou_domain::defences! {
    /// What is said is signed by the channel, over its very bytes.
    Signature = "signature",
    /// What was signed long ago is not believed.
    Window = "time-window",
    /// An event is applied once.
    Once = "applied-once",
    /// An event says the same every time.
    OneContent = "one-content",
    /// The amount is the one that was asked for.
    Amount = "amount-compared",
    /// The currency is the one that was asked for.
    Currency = "currency-compared",
    /// The merchant, seller or account is ours.
    Merchant = "merchant-compared",
    /// The application is ours.
    App = "app-compared",
    /// Test money is no money.
    World = "world-compared",
    /// What is encrypted was encrypted as a whole, by who holds our key.
    Sealed = "sealed",
    /// A channel speaks of payments that were opened there.
    OwnChannel = "own-channel",
    /// A refund is the one that was asked for.
    RefundCompared = "refund-compared",
    /// A refund that may have arrived counts until the channel says that there is none.
    RefundReserved = "refund-reserved",
    /// No more can be disputed than was paid.
    DisputeBounded = "dispute-bounded",
    /// Paid stays paid.
    PaidStays = "paid-stays",
    /// A notification is small.
    Size = "small-bodies",
    /// A field comes once.
    SingleField = "single-fields",
    /// Certificates come from the channel's own hosts.
    CertificateHost = "certificate-host",
    /// A certificate leads up to a root we trust.
    CertificateChain = "certificate-chain",
    /// A certificate is the channel's own.
    CertificateName = "certificate-name",
    /// A certificate counts in its time only.
    Validity = "certificate-validity",
    /// What is fetched as a certificate is one, under its serial.
    CertificateSerial = "certificate-serial",
    /// What a stranger sends makes us ask the channel now and then, and not every time.
    FetchApart = "fetched-apart",
    /// What is not signed as a whole is a reason to ask and nothing more.
    HintOnly = "hint-only",
    /// The bytes that came are what was signed, whatever is said about their type and packing.
    AnyType = "any-type",
    /// What was signed is the body and nothing else of a request.
    BodyOnly = "body-only",
    /// There is one signature scheme and one cipher.
    OneScheme = "one-scheme",
    /// A secret that is rolled counts beside its successor.
    RolledSecrets = "rolled-secrets",
    /// A deliberately wrong signature is told from an attack.
    ProbeKnown = "probe-known",
    /// Without what a proof needs nothing is accepted.
    FailsClosed = "fails-closed",
    /// A certificate counts while it is valid.
    CertificateTime = "certificate-time",
    /// What names a certificate is proved by that one.
    CertificateNamed = "certificate-named",
    /// Certificates are asked for a few times a minute.
    FetchesBounded = "fetches-bounded",
    /// Every refusal is answered with the same words.
    OneAnswer = "one-answer",
    /// The answer of success is what the channel waits for, to the byte.
    ExactAnswer = "exact-answer",
    /// It is answered after it was written.
    Written = "written-first",
    /// A kind that is new is kept and answered with success.
    NewKinds = "new-kinds",
    /// What is about a number of nobody's waits for it.
    Orphans = "orphans-kept",
    /// An event without what it is about is not read as one that has it.
    WholeEvents = "whole-events",
    /// What is sealed decides, not what stands outside of it.
    InnerDecides = "inner-decides",
    /// A field is decoded once.
    DecodedOnce = "decoded-once",
    /// A refund that is told with the words of a payment is none.
    RefundTold = "refund-told",
    /// Money that came while a payment was being closed is asked for.
    PaidWins = "paid-wins",
    /// No start with a placeholder for a secret.
    StrongSecret = "strong-secrets",
    /// No start with a key that cannot be the one.
    KeyLength = "key-length",
    /// No start with a webhook that is everybody's.
    OwnWebhook = "own-webhook",
    /// Only the channel's own page is shown.
    PageHost = "page-host",
    /// Only a code that leads to the channel is shown.
    CodeHost = "code-host",
    /// One number means one payment.
    SameFields = "same-fields",
    /// Amounts go out in the channel's own unit.
    OwnUnit = "own-unit",
    /// Whoever tries many codes is told nothing any more.
    FewGuesses = "few-guesses",
    /// When many are tried by all together nobody is told anything.
    FewGuessesOfAll = "few-guesses-of-all",
    /// What an agent wants done with money waits for the person.
    PersonAsked = "person-asked",
    /// An agent does what its token allows.
    Scoped = "scoped",
    /// The agents of one person ask no faster than the pace.
    Paced = "paced",
}

/// What comes of something without one defence.
#[cfg(test)]
pub(crate) fn without<T>(defence: Defence, work: impl FnOnce() -> T) -> T {
    take_away(Some(defence));
    let came = work();
    take_away(None);
    came
}
