//! How the driver's errors become replies.

use std::time::Duration;

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind as Setup, DbError,
    ExecutionError, MetadataError, MetadataFetchErrorKind, NewSessionError, NextPageError,
    NextRowError, PrepareError, RequestAttemptError, RequestError,
};

use crate::bridge::{CassandraOptions, IntoReply, Reply, Status};
use crate::tls::{self, BadFile};

/// What may go wrong in a call.
pub enum Problem {
    Session(NewSessionError),
    Metadata(MetadataError),
    Execution(ExecutionError),
    Prepare(PrepareError),
    /// The driver did not come back within our own limit.
    Late(Duration),
    /// A result that cannot be read.
    Unreadable(String),
    UnknownConsistency,
    BadFile(BadFile),
    /// A call before connect() or prepare(), or rows that do not fit the statement.
    Misuse,
}

impl From<NewSessionError> for Problem {
    fn from(error: NewSessionError) -> Problem {
        Problem::Session(error)
    }
}

impl From<MetadataError> for Problem {
    fn from(error: MetadataError) -> Problem {
        Problem::Metadata(error)
    }
}

impl From<BadFile> for Problem {
    fn from(bad: BadFile) -> Problem {
        Problem::BadFile(bad)
    }
}

impl From<ExecutionError> for Problem {
    fn from(error: ExecutionError) -> Problem {
        Problem::Execution(error)
    }
}

impl From<PrepareError> for Problem {
    fn from(error: PrepareError) -> Problem {
        Problem::Prepare(error)
    }
}

pub struct Failure<'a> {
    pub options: &'a CassandraOptions,
    pub problem: Problem,
}

/// What a problem comes down to.
enum Verdict<'a> {
    /// The server's words on what is wrong with the statement or with the configuration.
    Refused(&'a str),
    UnknownHost,
    UnknownConsistency,
    BadFile(&'a BadFile),
    NoAnswer,
    /// It answers a connection by closing it, before it has said a word of Cassandra's.
    HangsUp,
    /// The driver finds no node to ask.
    NoNode,
    /// The server answered that it cannot serve this now, in its words.
    NotNow(&'a str),
    /// The server answered that it cannot read now who may do what, in its words.
    NoRightsNow(&'a str),
    LoginRefused,
    LoginMissing,
    NotAllowed(&'a str),
    Unexpected,
}

impl IntoReply for Failure<'_> {
    fn into_reply(self) -> Reply {
        let hosts = self.options.hosts.join(", ");
        let user = &self.options.user;
        let cause = cause(&self.problem);
        if let Some(meaning) = self.meaning_of_handshake(&cause) {
            return Reply::error(
                Status::Unauthorized,
                format!("no TLS with Cassandra ({hosts}): {meaning}"),
                cause,
            );
        }
        // EMFILE, ENFILE: nothing is wrong with the servers.
        if cause.contains("os error 24)") || cause.contains("os error 23)") {
            return Reply::error(
                Status::Unavailable,
                format!("no connection to Cassandra ({hosts}) can be opened: allow more open files (ulimit -n)"),
                cause,
            );
        }
        let (status, message) = match verdict(&self.problem) {
            Verdict::Refused(says) => {
                (Status::Invalid, format!("Cassandra ({hosts}) refuses this: {says}"))
            }
            Verdict::UnknownConsistency => (
                Status::Invalid,
                format!(
                    "the consistency \"{}\" is unknown: use one, two, three, quorum, all, local_quorum or local_one",
                    self.options.consistency
                ),
            ),
            Verdict::BadFile(bad) => (Status::Invalid, bad.message.clone()),
            Verdict::HangsUp => (
                Status::Unavailable,
                format!(
                    "Cassandra ({hosts}, port {}) closes the connection at once: {}",
                    self.options.port,
                    self.why_it_may_hang_up()
                ),
            ),
            Verdict::UnknownHost => (
                Status::Unavailable,
                format!("the host names of Cassandra ({hosts}) cannot be resolved: check them and the name service"),
            ),
            Verdict::NoAnswer => (
                Status::Unavailable,
                format!(
                    "Cassandra ({hosts}, port {}) does not answer: check that it runs there and can be reached",
                    self.options.port
                ),
            ),
            Verdict::NoNode => (
                Status::Unavailable,
                match self.options.datacenter.as_str() {
                    "" => format!("no node of Cassandra ({hosts}) is up: check that it runs there"),
                    name => format!("no node of Cassandra ({hosts}) is up in a datacenter \"{name}\": check the name"),
                },
            ),
            Verdict::NotNow(says) => (
                Status::Unavailable,
                format!("Cassandra ({hosts}) cannot serve this now: {says}; check that enough of its nodes are up"),
            ),
            Verdict::NoRightsNow(says) => (
                Status::Unavailable,
                format!(
                    "Cassandra ({hosts}) cannot read who may do what: {says}; check that enough of its nodes are up, \
                     and that the keyspace system_auth is replicated to as many as products are"
                ),
            ),
            Verdict::LoginRefused => (
                Status::Unauthorized,
                format!("Cassandra ({hosts}) refuses the login of \"{user}\": check user and password"),
            ),
            Verdict::LoginMissing => (
                Status::Unauthorized,
                format!("Cassandra ({hosts}) asks for a login: configure user and password"),
            ),
            Verdict::NotAllowed(says) => (
                Status::Unauthorized,
                format!("Cassandra ({hosts}) does not allow this to \"{user}\": {says}"),
            ),
            Verdict::Unexpected => (
                Status::Internal,
                format!("the client of Cassandra ({hosts}) failed unexpectedly; please report this"),
            ),
        };
        Reply::error(status, message, cause)
    }
}

impl Failure<'_> {
    fn meaning_of_handshake(&self, words: &str) -> Option<String> {
        let hint = "give in cassandra.host the names that its certificates are for, or set cassandra.tls_name";
        let tls = &self.options.tls;
        let meaning = || tls::meaning("cassandra", tls, hint, words);
        if tls.enabled { meaning() } else { None }
    }

    fn why_it_may_hang_up(&self) -> &'static str {
        match (self.options.tls.enabled, self.options.tls.cert_file.is_empty()) {
            (false, _) => "check that it runs well; if it wants TLS, set cassandra.tls = true",
            (true, true) => {
                "check that it speaks TLS there; if it asks for a client certificate, set \
                 cassandra.cert_file and cassandra.key_file"
            }
            (true, false) => {
                "check that it speaks TLS there, and that cassandra.cert_file is signed by an authority it knows"
            }
        }
    }
}

fn cause(problem: &Problem) -> String {
    match problem {
        Problem::Session(error) => tls::chain(error),
        Problem::Metadata(error) => tls::chain(error),
        Problem::Execution(error) => tls::chain(error),
        Problem::Prepare(error) => tls::chain(error),
        Problem::Late(limit) => format!("no answer within {} ms", limit.as_millis()),
        Problem::Unreadable(error) => error.clone(),
        Problem::UnknownConsistency => String::new(),
        Problem::BadFile(bad) => bad.cause.clone(),
        Problem::Misuse => "called before connect or prepare, or with rows of another shape".to_owned(),
    }
}

fn verdict(problem: &Problem) -> Verdict<'_> {
    match problem {
        Problem::Session(error) => of_session(error),
        Problem::Metadata(error) => of_metadata(error),
        Problem::Execution(error) => of_execution(error),
        Problem::Prepare(error) => of_prepare(error),
        Problem::Late(_) => Verdict::NoAnswer,
        Problem::UnknownConsistency => Verdict::UnknownConsistency,
        Problem::BadFile(bad) => Verdict::BadFile(bad),
        Problem::Unreadable(_) | Problem::Misuse => Verdict::Unexpected,
    }
}

fn of_session(error: &NewSessionError) -> Verdict<'_> {
    match error {
        NewSessionError::FailedToResolveAnyHostname(_) => Verdict::UnknownHost,
        NewSessionError::MetadataError(error) => of_metadata(error),
        _ => Verdict::Unexpected,
    }
}

fn of_metadata(error: &MetadataError) -> Verdict<'_> {
    match error {
        MetadataError::ConnectionPoolError(error) => of_pool(error),
        MetadataError::FetchError(error) => match &error.error {
            MetadataFetchErrorKind::PrepareError(error) => of_attempt(error),
            MetadataFetchErrorKind::NextRowError(NextRowError::NextPageError(
                NextPageError::RequestFailure(error),
            )) => of_request(error),
            _ => Verdict::Unexpected,
        },
        // The driver leaves out what it could not read, and here that was all.
        MetadataError::Peers(_) => Verdict::NotNow("it does not say which nodes there are"),
        _ => Verdict::Unexpected,
    }
}

fn of_execution(error: &ExecutionError) -> Verdict<'_> {
    match error {
        ExecutionError::EmptyPlan => Verdict::NoNode,
        ExecutionError::RequestTimeout(_) => Verdict::NoAnswer,
        ExecutionError::PrepareError(error) => of_prepare(error),
        ExecutionError::ConnectionPoolError(error) => of_pool(error),
        ExecutionError::LastAttemptError(error) => of_attempt(error),
        ExecutionError::SchemaAgreementError(_) => Verdict::NotNow("its nodes do not agree on the schema"),
        ExecutionError::MetadataError(error) => of_metadata(error),
        _ => Verdict::Unexpected,
    }
}

fn of_request(error: &RequestError) -> Verdict<'_> {
    match error {
        RequestError::EmptyPlan => Verdict::NoNode,
        RequestError::RequestTimeout(_) => Verdict::NoAnswer,
        RequestError::ConnectionPoolError(error) => of_pool(error),
        RequestError::LastAttemptError(error) => of_attempt(error),
        _ => Verdict::Unexpected,
    }
}

fn of_prepare(error: &PrepareError) -> Verdict<'_> {
    match error {
        PrepareError::ConnectionPoolError(error) => of_pool(error),
        PrepareError::AllAttemptsFailed { first_attempt } => of_attempt(first_attempt),
        _ => Verdict::Unexpected,
    }
}

fn of_pool(error: &ConnectionPoolError) -> Verdict<'_> {
    match error {
        ConnectionPoolError::Broken { last_connection_error } => of_connection(last_connection_error),
        ConnectionPoolError::Initializing => Verdict::NoAnswer,
        _ => Verdict::Unexpected,
    }
}

fn of_connection(error: &ConnectionError) -> Verdict<'_> {
    match error {
        ConnectionError::ConnectionSetupRequestError(error) => match error.get_error() {
            Setup::DbError(error, says) => of_server(error, says),
            Setup::MissingAuthentication => Verdict::LoginMissing,
            Setup::StartAuthSessionError(_)
            | Setup::AuthChallengeEvaluationError(_)
            | Setup::AuthFinishError(_) => Verdict::LoginRefused,
            Setup::BrokenConnection(_) => Verdict::HangsUp,
            // Something answers, and not as a Cassandra would; it may be one that is just starting.
            _ => Verdict::NoAnswer,
        },
        ConnectionError::UseKeyspaceError(_) => Verdict::Unexpected,
        _ => Verdict::NoAnswer,
    }
}

fn of_attempt(error: &RequestAttemptError) -> Verdict<'_> {
    match error {
        RequestAttemptError::DbError(error, says) => of_server(error, says),
        RequestAttemptError::BrokenConnectionError(_) => Verdict::NoAnswer,
        RequestAttemptError::UnableToAllocStreamId => {
            Verdict::NotNow("too many requests are waiting on its connections")
        }
        _ => Verdict::Unexpected,
    }
}

fn of_server<'a>(error: &DbError, says: &'a str) -> Verdict<'a> {
    match error {
        DbError::SyntaxError
        | DbError::Invalid
        | DbError::ConfigError
        | DbError::AlreadyExists { .. }
        | DbError::FunctionFailure { .. } => Verdict::Refused(says),
        // Users and their rights are rows of system_auth: the server says so where it cannot read them, with the codes
        // of a refusal.
        DbError::AuthenticationError | DbError::Unauthorized if says.starts_with("Unable to perform auth") => {
            Verdict::NoRightsNow(says)
        }
        DbError::AuthenticationError => Verdict::LoginRefused,
        DbError::Unauthorized => Verdict::NotAllowed(says),
        // A server error is one node's trouble (one that is shutting down says so): another may do better.
        DbError::Unavailable { .. }
        | DbError::Overloaded
        | DbError::IsBootstrapping
        | DbError::TruncateError
        | DbError::ReadTimeout { .. }
        | DbError::WriteTimeout { .. }
        | DbError::ReadFailure { .. }
        | DbError::WriteFailure { .. }
        | DbError::RateLimitReached { .. }
        | DbError::ServerError => Verdict::NotNow(says),
        _ => Verdict::Unexpected,
    }
}
