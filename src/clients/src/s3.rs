use crate::bridge::{spawn, S3Options, Done, Reply, Status};

pub struct S3 {
    options: S3Options,
}

pub fn s3_new(options: S3Options) -> Box<S3> {
    Box::new(S3 { options })
}

impl S3 {
    pub fn list(&self, prefix: &str, after: &str, done: Done) {
        spawn(done, async { Reply::error(Status::Internal, "not written yet", "") });
    }

    pub fn head(&self, key: &str, done: Done) {
        spawn(done, async { Reply::error(Status::Internal, "not written yet", "") });
    }

    pub fn get(&self, key: &str, offset: u64, length: u64, if_match: &str, done: Done) {
        spawn(done, async { Reply::error(Status::Internal, "not written yet", "") });
    }
}
