// The original's microservice, re-created to be measured against: net/http and one SELECT per request.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"strconv"

	"github.com/gocql/gocql"
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
	listen := flag.String("listen", "127.0.0.1:8081", "")
	cassandra := flag.String("cassandra", "127.0.0.1", "")
	port := flag.Int("cassandra-port", 9042, "")
	keyspace := flag.String("keyspace", "dataflow", "")
	flag.Parse()
	cl := gocql.NewCluster(*cassandra)
	cl.Port = *port
	cl.Keyspace = *keyspace
	cl.NumConns = 2
	s, err := cl.CreateSession()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /product/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseUint(r.PathValue("id"), 10, 32)
		if err != nil {
			http.Error(w, "bad id", 400)
			return
		}
		var p Product
		var i64 int64
		if err := s.Query(`SELECT id,title,price,category,brand,url,description FROM products WHERE id=?`, int64(id)).Consistency(gocql.LocalOne).Scan(&i64, &p.Title, &p.Price, &p.Category, &p.Brand, &p.URL, &p.Description); err != nil {
			http.Error(w, err.Error(), 404)
			return
		}
		p.ID = uint32(i64)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(p)
	})
	log.Fatal(http.ListenAndServe(*listen, nil))
}
