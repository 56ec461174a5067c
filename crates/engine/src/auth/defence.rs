//! The defences of sign-in by name, so that a test can take one away and show what it was for.
//!
//! In the product all of them stand: [`off`] is `false` at compile time, and what is done without one exists in test
//! builds only (`tests/naive.rs`). Deliberately not here: the defences themselves, each of which is where it holds.

zhiyou_domain::defences! {
    /// A return repeats the visit's state exactly.
    State = "state-compared",
    /// A return works once.
    SingleUse = "used-once",
    /// A return comes in time.
    TimeLimit = "time-limit",
    /// A return is looked for only among what its own address awaits.
    OwnAddress = "own-address",
    /// A return without a visit is nobody's.
    Awaited = "pending-record",
    /// A platform has one visit; a new one ends the old.
    OneVisit = "one-visit",
    /// A code is bound to a key that only this app has.
    ProofKey = "proof-key",
    /// The platform promises to check that key by SHA-256.
    ProofKeyPromise = "s256-promised",
    /// A platform that wants us to sign who we are is not visited: what we sign would be good elsewhere.
    PublicClient = "public-client",
    /// The key has 43 characters.
    LongVerifier = "long-verifier",
    /// Every visit has its own key.
    FreshVerifier = "fresh-verifier",
    /// The key is shown as a hash only.
    HashedChallenge = "hashed-challenge",
    /// Who answered is compared.
    Issuer = "issuer-compared",
    /// It is compared byte for byte.
    IssuerExact = "issuer-exact",
    /// A platform that names itself always does.
    IssuerPresent = "issuer-required",
    /// It is compared before an error is believed.
    IssuerBeforeError = "issuer-before-error",
    /// A metadata document speaks for its own issuer.
    MetadataIssuer = "metadata-issuer",
    /// Endpoints are the issuer's own, or on hosts the platform's file names.
    OwnHosts = "own-hosts",
    /// Addresses are HTTPS.
    SafeScheme = "safe-scheme",
    /// Addresses hold no character that a program might interpret.
    PlainCharacters = "plain-characters",
    /// Addresses name public hosts.
    PublicHosts = "public-hosts",
    /// The sandbox's ease is for the sandbox's platforms alone.
    StrictAbroad = "strict-abroad",
    /// Connections go to public addresses, whatever a name resolves to.
    CheckedConnection = "checked-connection",
    /// Redirects are not followed.
    NoRedirects = "no-redirects",
    /// Answers are small.
    SmallAnswers = "small-answers",
    /// Answers are waited for a limited time.
    Patience = "limited-patience",
    /// A request that can be pushed is pushed.
    Pushed = "request-pushed",
    /// What could not be pushed is not asked openly.
    PushOrNothing = "push-or-nothing",
    /// A link has exactly our route.
    ExactRoute = "exact-route",
    /// A parameter comes once.
    SingleValued = "single-valued",
    /// Parameters are in the query.
    QueryOnly = "query-only",
    /// A return carries a code and no token.
    CodeOnly = "code-only",
    /// A return is short and printable.
    TextLimits = "text-limits",
    /// The listener closes with its visit.
    ListenerCloses = "listener-closes",
    /// The listener is on the loopback interface.
    LoopbackOnly = "loopback-only",
    /// The listener takes any free port.
    FreePort = "free-port",
    /// The listener is asked by its literal address.
    LiteralHost = "literal-host",
    /// Tokens are bearer tokens.
    BearerOnly = "bearer-only",
    /// No more is granted than was asked.
    ScopeChecked = "scope-checked",
    /// What is asked for is what the platform's file says, whatever is said to be missing.
    ScopesFixed = "scopes-fixed",
    /// A lifetime is a sensible number of seconds.
    Lifetime = "lifetime-clamped",
    /// An answer with an error is an error.
    ErrorWins = "error-wins",
    /// Secrets travel in bodies and headers.
    BodyOnly = "body-only",
    /// New tokens replace the old in one write.
    OneWrite = "one-write",
    /// One refresh serves all who ask.
    SingleFlight = "single-flight",
    /// A refused grant ends the sign-in.
    GrantEnds = "grant-ends",
    /// Tokens belong to the issuer that gave them.
    IssuerKeyed = "issuer-keyed",
    /// A token that was just refreshed is not refreshed again.
    RefreshedOnce = "refreshed-once",
    /// A token is refreshed before its end.
    Margin = "refresh-margin",
    /// What a platform protects speaks for itself.
    Resource = "resource-compared",
    /// A token goes to its own platform.
    TokenOrigin = "token-origin",
    /// Forgotten tokens are revoked.
    Revoked = "revoked",
    /// Tokens that cannot be opened when they are forgotten are kept sealed until they can be revoked.
    KeptUnopened = "kept-unopened",
}
