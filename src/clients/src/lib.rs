//! The wire clients of dataflow (Cassandra, Redis, S3) behind one cxx bridge.

mod bridge;
mod cassandra;
mod redis;
mod s3;
mod tls;
