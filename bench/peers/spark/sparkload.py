"""The Spark Cassandra Connector loading the files: what a Spark user would run.

python sparkload.py JARS HOST PORT KEYSPACE FILE.jsonl...
One load for each line on standard input, so that a JVM that is warm already is measured; prints the seconds of each.
"""
import pathlib
import sys
import time

from pyspark.sql import SparkSession

jars, host, port, keyspace, files = *sys.argv[1:5], sys.argv[5:]
spark = (
    SparkSession.builder.master("local[*]")
    .config("spark.jars", ",".join(map(str, pathlib.Path(jars).glob("*.jar"))))
    .config("spark.driver.memory", "2g")
    .config("spark.cassandra.connection.host", host)
    .config("spark.cassandra.connection.port", port)
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
schema = "id long,title string,price double,category string,brand string,url string,description string"
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    frame = spark.read.schema(schema).json(files)
    frame.write.format("org.apache.spark.sql.cassandra").mode("append").options(table="products", keyspace=keyspace).save()
    print(f"{time.perf_counter() - start:.6f}", flush=True)
spark.stop()
