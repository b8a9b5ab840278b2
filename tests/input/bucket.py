"""The job with the embedded store, reading from a bucket of its own on the real S3 server."""
import uuid

import harness


class Bucket(harness.Setup):
    def __init__(self, folder):
        aws = {key: harness.required(key) for key in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_S3_REGION")}
        super().__init__(folder, aws)
        self.bucket = "input-" + uuid.uuid4().hex[:12]
        self.s3 = harness.s3_client(aws, retries={"max_attempts": 1})
        self.s3.create_bucket(Bucket=self.bucket)
        self.keys = []

    def put(self, key, text):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())
        self.keys.append(key)

    def close(self):
        for key in self.keys:
            self.s3.delete_object(Bucket=self.bucket, Key=key)
