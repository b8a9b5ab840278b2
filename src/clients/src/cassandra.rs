//! The Cassandra client: one session, two prepared statements, raw cells in both directions.
//!
//! Writes are never retried here: only C++ knows how long it may go on, and with which write time. Reads and
//! other statements follow the driver's default policy within one request timeout.

mod failure;
mod groups;
mod rows;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use futures::future::join_all;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::cluster::Node;
use scylla::policies::load_balancing::{
    DefaultPolicy, NodeIdentifier, SingleTargetLoadBalancingPolicy,
};
use scylla::policies::retry::{FallthroughRetryPolicy, RetryPolicy};
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};

use crate::bridge::{spawn, until_completed, CassandraOptions, Done, IntoReply, Reply};
use crate::tls;
use failure::{Failure, Problem};
use groups::Groups;
use rows::{in_order_of, push_rows, RawRow, RawRows};

pub struct Cassandra {
    inner: Arc<Inner>,
}

struct Inner {
    options: CassandraOptions,
    session: OnceLock<Session>,
    statements: RwLock<Option<Arc<Statements>>>,
    groups: Mutex<HashMap<(String, String), Arc<Groups>>>,
}

/// Prepared once; a copy shares the prepared parts.
struct Statements {
    insert: PreparedStatement,
    select: PreparedStatement,
    select_together: PreparedStatement,
    no_retries: Arc<dyn RetryPolicy>,
}

pub fn cassandra_new(options: CassandraOptions) -> Box<Cassandra> {
    Box::new(Cassandra {
        inner: Arc::new(Inner {
            options,
            session: OnceLock::new(),
            statements: RwLock::new(None),
            groups: Mutex::default(),
        }),
    })
}

impl Cassandra {
    pub fn connect(&self, done: Done) {
        self.finish(done, |inner| async move {
            // The driver bounds each of its steps; the whole is bounded here.
            let limit = connect_limit(&inner.options);
            let session = tokio::time::timeout(limit, open(&inner.options))
                .await
                .map_err(|_| Problem::Late(limit))??;
            let _ = inner.session.set(session);
            Ok(Reply::ok())
        });
    }

    pub fn query(&self, cql: &str, done: Done) {
        let statement = Statement::new(cql);
        self.finish(done, |inner| async move {
            let result = inner.session()?.query_unpaged(statement, ()).await?;
            let mut reply = Reply::ok();
            push_rows(&mut reply, result, None)?;
            Ok(reply)
        });
    }

    pub fn query_each_node(&self, cql: &str, done: Done) {
        let statement = Statement::new(cql);
        self.finish(done, |inner| async move {
            let session = inner.session()?;
            let limit = connect_limit(&inner.options);
            let nodes = tokio::time::timeout(limit, nodes_of(session)).await.map_err(|_| Problem::Late(limit))??;
            let answers = join_all(nodes.iter().map(|node| {
                let mut own = statement.clone();
                let target = NodeIdentifier::Node(node.clone());
                own.set_load_balancing_policy(Some(SingleTargetLoadBalancingPolicy::new(target, None)));
                session.query_unpaged(own, ())
            }))
            .await;
            let mut reply = Reply::ok();
            let mut first_problem = None;
            let mut answered = false;
            for (node, answer) in nodes.iter().zip(answers) {
                match answer {
                    Ok(result) => {
                        answered = true;
                        push_rows(&mut reply, result, Some(node.host_id.as_bytes()))?;
                    }
                    Err(problem) => {
                        first_problem.get_or_insert(problem);
                    }
                }
            }
            match first_problem {
                Some(problem) if !answered => Err(problem.into()),
                _ => Ok(reply),
            }
        });
    }

    pub fn prepare(&self, insert: &str, select: &str, select_together: &str, done: Done) {
        let (insert, select, together) =
            (insert.to_owned(), select.to_owned(), select_together.to_owned());
        self.finish(done, |inner| async move {
            let session = inner.session()?;
            // The driver waits here without a limit of its own.
            let limit = connect_limit(&inner.options);
            let prepared = tokio::time::timeout(limit, async {
                Ok::<_, Problem>((
                    session.prepare(insert).await?,
                    session.prepare(select).await?,
                    session.prepare(together).await?,
                ))
            });
            let (mut insert, mut select, mut select_together) = prepared.await.map_err(|_| Problem::Late(limit))??;
            let no_retries: Arc<dyn RetryPolicy> = Arc::new(FallthroughRetryPolicy::new());
            insert.set_retry_policy(Some(no_retries.clone()));
            for read in [&mut select, &mut select_together] {
                read.set_is_idempotent(true);
                // The columns are named in the statement: they do not change behind its back.
                read.set_use_cached_result_metadata(true);
            }
            *inner.statements.write().unwrap() =
                Some(Arc::new(Statements { insert, select, select_together, no_retries }));
            Ok(Reply::ok())
        });
    }

    pub fn save(&self, bytes: &[u8], lengths: &[i32], columns: usize, time_us: i64, done: Done) {
        // SAFETY: the caller keeps both alive until `done` is called, and the future does not use them after.
        let (bytes, lengths) = unsafe { (until_completed(bytes), until_completed(lengths)) };
        self.finish(done, move |inner| async move {
            let session = inner.session()?;
            let statements = inner.statements()?;
            let rows = RawRows::new(bytes, lengths, columns).ok_or(Problem::Misuse)?;
            if rows.len() == 1 {
                let mut insert = statements.insert.clone();
                insert.set_timestamp(Some(time_us));
                session.execute_unpaged(&insert, RawRow { bytes, lengths }).await?;
            } else {
                let insert = BatchStatement::PreparedStatement(statements.insert.clone());
                let mut batch =
                    Batch::new_with_statements(BatchType::Unlogged, vec![insert; rows.len()]);
                batch.set_timestamp(Some(time_us));
                batch.set_retry_policy(Some(statements.no_retries.clone()));
                session.batch(&batch, rows).await?;
            }
            Ok(Reply::ok())
        });
    }

    pub fn select(&self, ids: &[i64], done: Done) {
        // SAFETY: as in save().
        let ids = unsafe { until_completed(ids) };
        self.finish(done, move |inner| async move {
            let session = inner.session()?;
            let statements = inner.statements()?;
            let select = &statements.select;
            let columns = select.get_current_result_set_col_specs().get().len();
            let mut reply = Reply::ok();
            let answers = join_all(ids.iter().map(|id| session.execute_unpaged(select, (id,))));
            for answer in answers.await {
                if push_rows(&mut reply, answer?, None)? == 0 {
                    reply.lengths.extend(std::iter::repeat_n(-2, columns));
                }
            }
            reply.number = columns as i64;
            Ok(reply)
        });
    }

    pub fn select_together(&self, ids: &[i64], done: Done) {
        // SAFETY: as in save().
        let ids = unsafe { until_completed(ids) };
        self.finish(done, move |inner| async move {
            let session = inner.session()?;
            let statements = inner.statements()?;
            let result = session.execute_unpaged(&statements.select_together, (ids,)).await?;
            let mut rows = Reply::ok();
            push_rows(&mut rows, result, None)?;
            in_order_of(ids, &rows)
        });
    }

    pub fn replica_groups(&self, keyspace: &str, table: &str, ids: &[i64], groups: &mut [u32]) {
        match self.inner.groups_of(keyspace, table) {
            Some(found) => found.assign(ids, groups),
            None => groups.fill(0),
        }
    }

    pub fn datacenters(&self) -> Vec<String> {
        let Some(session) = self.inner.session.get() else { return Vec::new() };
        let state = session.get_cluster_state();
        let names: BTreeSet<_> = state.get_nodes_info().iter().filter_map(|node| node.datacenter.clone()).collect();
        names.into_iter().collect()
    }

    /// Runs `work` on the runtime; the one place where a problem becomes a reply.
    fn finish<W, F>(&self, done: Done, work: W)
    where
        W: FnOnce(Arc<Inner>) -> F,
        F: std::future::Future<Output = Result<Reply, Problem>> + Send + 'static,
    {
        let inner = self.inner.clone();
        let future = work(inner.clone());
        spawn(done, async move {
            match future.await {
                Ok(reply) => reply,
                Err(problem) => Failure { options: &inner.options, problem }.into_reply(),
            }
        });
    }
}

impl Inner {
    fn session(&self) -> Result<&Session, Problem> {
        self.session.get().ok_or(Problem::Misuse)
    }

    fn statements(&self) -> Result<Arc<Statements>, Problem> {
        self.statements.read().unwrap().clone().ok_or(Problem::Misuse)
    }

    /// What is known of the table's replicas, made again whenever the driver's picture of the cluster changed.
    fn groups_of(&self, keyspace: &str, table: &str) -> Option<Arc<Groups>> {
        let state = self.session.get()?.get_cluster_state();
        let mut cache = self.groups.lock().unwrap();
        let key = (keyspace.to_owned(), table.to_owned());
        if let Some(groups) = cache.get(&key).filter(|groups| groups.is_of(&state)) {
            return Some(groups.clone());
        }
        let groups = Arc::new(Groups::new(state, keyspace, table));
        cache.insert(key, groups.clone());
        Some(groups)
    }
}

/// Every node. Where the driver could not read which there are when it connected, it goes on with the contact points
/// alone, under host ids that it made up (and no datacenter): those are asked for anew, for nobody may remember them.
async fn nodes_of(session: &Session) -> Result<Vec<Arc<Node>>, Problem> {
    let nodes = session.get_cluster_state().get_nodes_info().to_vec();
    if nodes.iter().all(|node| node.datacenter.is_some()) {
        return Ok(nodes);
    }
    session.refresh_metadata().await?;
    Ok(session.get_cluster_state().get_nodes_info().to_vec())
}

/// Name resolution, connections to one contact point after another, reading the cluster's metadata, and connections to
/// all nodes at once.
fn connect_limit(options: &CassandraOptions) -> Duration {
    let steps = options.hosts.len() as u32 + 1;
    (Duration::from_millis(options.connect_timeout_ms.into()) + keepalive_interval(options)) * steps
}

/// The driver's connect timeout ends with TCP's handshake, which the kernel of a node that hangs does for it. Only a
/// keepalive without answer ends what comes then: without it one paused node would hold up every start, and requests
/// would be sent to it for a minute.
fn keepalive_interval(options: &CassandraOptions) -> Duration {
    Duration::from_millis(u64::from(options.connect_timeout_ms / 4).max(100))
}

async fn open(options: &CassandraOptions) -> Result<Session, Problem> {
    let consistency = consistency(&options.consistency).ok_or(Problem::UnknownConsistency)?;
    let local = matches!(consistency, Consistency::LocalOne | Consistency::LocalQuorum);
    let mut policy = DefaultPolicy::builder().token_aware(true).permit_dc_failover(!local);
    if !options.datacenter.is_empty() {
        policy = policy.prefer_datacenter(options.datacenter.clone());
    }
    let connect_timeout = Duration::from_millis(options.connect_timeout_ms.into());
    let request_timeout = Duration::from_millis(options.request_timeout_ms.into());
    let profile = ExecutionProfile::builder()
        .consistency(consistency)
        .serial_consistency(Some(if local {
            SerialConsistency::LocalSerial
        } else {
            SerialConsistency::Serial
        }))
        .request_timeout(Some(request_timeout))
        .load_balancing_policy(policy.build())
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(options.hosts.iter().map(|host| contact_point(host, options.port)))
        .connection_timeout(connect_timeout)
        .keepalive_interval(keepalive_interval(options))
        .keepalive_timeout(connect_timeout)
        .hostname_resolution_timeout(Some(connect_timeout))
        .default_execution_profile_handle(profile.into_handle());
    if options.tls.enabled {
        let config = tls::client_config("cassandra", &options.tls, &certificate_names(options))?;
        builder = builder.tls_context(Some(Arc::new(config)));
    }
    if !options.user.is_empty() {
        builder = builder.user(&options.user, &options.pass);
    }
    Ok(builder.build().await?)
}

/// What a node's certificate may be for, beside its address: nodes are known by their addresses, and certificates are
/// mostly made for names.
fn certificate_names(options: &CassandraOptions) -> Vec<String> {
    let name_of = |host: &String| match host.matches(':').count() {
        1 => host.split(':').next().unwrap_or("").to_owned(),
        _ => host.trim_matches(['[', ']']).to_owned(),
    };
    // An address is checked by what was connected to, not by what stands here.
    let is_name = |name: &String| !name.is_empty() && name.parse::<std::net::IpAddr>().is_err();
    let mut names: Vec<String> = options.hosts.iter().map(name_of).filter(is_name).collect();
    if !options.tls_name.is_empty() {
        names.push(options.tls_name.clone());
    }
    names
}

fn consistency(name: &str) -> Option<Consistency> {
    Some(match name {
        "one" => Consistency::One,
        "two" => Consistency::Two,
        "three" => Consistency::Three,
        "quorum" => Consistency::Quorum,
        "all" => Consistency::All,
        "local_quorum" => Consistency::LocalQuorum,
        "local_one" => Consistency::LocalOne,
        _ => return None,
    })
}

/// "host:port" of "host", "host:port", "::1" or "[::1]:port".
fn contact_point(host: &str, port: u16) -> String {
    let colons = host.matches(':').count();
    if host.starts_with('[') {
        if host.ends_with(']') { format!("{host}:{port}") } else { host.to_owned() }
    } else if colons > 1 {
        format!("[{host}]:{port}")
    } else if colons == 1 {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}
