// The original's pipeline, re-created to be measured against: whole objects from S3, one goroutine that
// splits, one that parses, a Redis GET by id, and one INSERT per row by n workers.
// Keys: products-1.jsonl .. products-4.jsonl in the bucket. Build: go build -o rowbyrow .
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/gocql/gocql"
	"github.com/redis/go-redis/v9"
)

type Product struct {
	ID          uint32  `json:"id"`
	Title       string  `json:"title"`
	Price       float64 `json:"price"`
	Category    string  `json:"category"`
	Brand       string  `json:"brand"`
	URL         string  `json:"url"`
	Description string  `json:"description"`
}

func main() {
	n := flag.Int("concurrency", runtime.NumCPU(), "")
	bucket := flag.String("bucket", "casestudy", "")
	endpoint := flag.String("endpoint", "http://127.0.0.1:7070", "")
	key := flag.String("key", "test", "access key id")
	secret := flag.String("secret", "testsecret", "secret access key")
	cassandra := flag.String("cassandra", "127.0.0.1", "")
	port := flag.Int("cassandra-port", 9042, "")
	keyspace := flag.String("keyspace", "dataflow", "")
	redisDB := flag.Int("redis-db", 0, "")
	redisAddr := flag.String("redis", "127.0.0.1:6379", "")
	flag.Parse()
	start := time.Now()
	ctx := context.Background()
	cli := s3.New(s3.Options{Region: "eu-central-1", BaseEndpoint: endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(*key, *secret, "")})
	cl := gocql.NewCluster(*cassandra)
	cl.Port = *port
	cl.Keyspace = *keyspace
	cl.Consistency = gocql.Quorum
	sess, err := cl.CreateSession()
	if err != nil {
		log.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: *redisAddr, DB: *redisDB})
	files := make(chan []byte)
	go func() {
		var wg sync.WaitGroup
		sem := make(chan struct{}, *n)
		for i := 1; i <= 4; i++ {
			wg.Add(1)
			sem <- struct{}{}
			go func() {
				defer wg.Done()
				defer func() { <-sem }()
				o, err := cli.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String(fmt.Sprintf("products-%d.jsonl", i))})
				if err != nil {
					log.Fatal(err)
				}
				b, _ := io.ReadAll(o.Body)
				files <- b
			}()
		}
		wg.Wait()
		close(files)
	}()
	lines := make(chan []byte)
	go func() {
		for f := range files {
			sc := bufio.NewScanner(bytes.NewReader(f))
			for sc.Scan() {
				lines <- append([]byte(nil), sc.Bytes()...)
			}
		}
		close(lines)
	}()
	prods := make(chan *Product)
	go func() {
		for l := range lines {
			p := &Product{}
			if err := json.Unmarshal(l, p); err != nil {
				log.Fatal(err)
			}
			prods <- p
		}
		close(prods)
	}()
	var wg sync.WaitGroup
	for i := 0; i < *n; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for p := range prods {
				k := strconv.Itoa(int(p.ID))
				if _, err := rdb.Get(ctx, k).Result(); err == nil {
					continue
				}
				if err := sess.Query(`INSERT INTO products(id,title,price,category,brand,url,description) VALUES(?,?,?,?,?,?,?)`, int64(p.ID), p.Title, p.Price, p.Category, p.Brand, p.URL, p.Description).Exec(); err != nil {
					log.Fatal(err)
				}
				if err := rdb.Set(ctx, k, "1", 0).Err(); err != nil {
					log.Fatal(err)
				}
			}
		}()
	}
	wg.Wait()
	fmt.Fprintln(os.Stdout, "Pipeline took", time.Since(start))
}
