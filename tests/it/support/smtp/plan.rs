//! What a mail server may do, and where.

/// Where in the dialogue the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Greeting,
    Ehlo,
    StartTls,
    /// When TLS begins, after `STARTTLS` or at once.
    Handshake,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the first line of the message.
    Body,
    /// After the final dot.
    Dot,
    Rset,
}

/// What the server does instead of the right thing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Does the right thing: for one that comes before another that is planned.
    Go,
    /// Answers this, with a line break added.
    Say(&'static str),
    /// Answers this and hangs up.
    SayAndDrop(&'static str),
    /// Hangs up.
    Drop,
    /// Says nothing more and keeps the connection.
    Hang,
    /// Does the right thing, but late.
    Slow,
    /// Only at the dot: keeps the message and then hangs up without an answer.
    TakeAndDrop,
    /// Only at the dot: keeps the message and never answers.
    TakeAndHang,
    /// Only at the dot: answers properly, then hangs up.
    TakeAnswerAndDrop,
    /// Only at the dot: keeps the message and answers properly after `SmtpServer::release`; within the text: reads
    /// on after that.
    TakeAndWait,
    /// Only at the handshake: shows a certificate that a stranger signed.
    Pose,
}
