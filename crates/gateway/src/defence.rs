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
    /// What a stranger sends makes us ask the channel now and then, and not every time.
    FetchApart = "fetched-apart",
    /// What is not signed as a whole is a reason to ask and nothing more.
    HintOnly = "hint-only",
}
