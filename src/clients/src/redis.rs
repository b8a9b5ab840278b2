use crate::bridge::{spawn, RedisOptions, Done, Reply, Status};

pub struct Redis {
    options: RedisOptions,
}

pub fn redis_new(options: RedisOptions) -> Box<Redis> {
    Box::new(Redis { options })
}

impl Redis {
    pub fn connect(&self, done: Done) {
        spawn(done, async { Reply::error(Status::Internal, "not written yet", "") });
    }

    pub fn call(&self, bytes: &[u8], lengths: &[u32], commands: &[u32], done: Done) {
        spawn(done, async { Reply::error(Status::Internal, "not written yet", "") });
    }
}
