//! Which rows live on the same nodes.

use std::collections::HashMap;
use std::sync::Arc;

use scylla::cluster::ClusterState;
use scylla::routing::partitioner::{Murmur3Partitioner, Partitioner};
use scylla::routing::Token;

/// The groups of one table as one state of the cluster has them.
pub struct Groups {
    state: Arc<ClusterState>,
    /// Where each range of the ring ends, ascending, and the group of the rows in it. Empty: unknown.
    ends: Vec<i64>,
    groups: Vec<u32>,
    /// Whether all rows are in group 0.
    single: bool,
}

impl Groups {
    pub fn new(state: Arc<ClusterState>, keyspace: &str, table: &str) -> Groups {
        let mut numbers = HashMap::new();
        let (mut ends, mut groups) = (Vec::new(), Vec::new());
        if state.get_keyspace(keyspace).is_some() {
            for (token, _) in state.replica_locator().ring().iter() {
                let mut nodes: Vec<_> = state
                    .get_token_endpoints(keyspace, table, *token)
                    .iter()
                    .map(|(node, _)| *node.host_id.as_bytes())
                    .collect();
                nodes.sort_unstable();
                let next = numbers.len() as u32;
                ends.push(token.value());
                groups.push(*numbers.entry(nodes).or_insert(next));
            }
        }
        Groups { state, ends, groups, single: numbers.len() < 2 }
    }

    pub fn is_of(&self, state: &Arc<ClusterState>) -> bool {
        Arc::ptr_eq(&self.state, state)
    }

    /// The group of each id.
    pub fn assign(&self, ids: &[i64], groups: &mut [u32]) {
        if self.single {
            return groups.fill(0);
        }
        for (id, group) in ids.iter().zip(groups) {
            let token: Token = Murmur3Partitioner.hash_one(&id.to_be_bytes());
            let range = self.ends.partition_point(|&end| end < token.value());
            *group = self.groups[range % self.groups.len()];
        }
    }
}
