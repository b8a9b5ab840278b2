# The two programs in one image: job and microservice.
#
#   docker build -t dataflow .
#   docker run --rm -v "$PWD:/data" dataflow job examples/products-1.jsonl
#   docker run --rm -v "$PWD:/data" -p 8080:8080 dataflow microservice -listen 0.0.0.0:8080

FROM debian:12 AS build
WORKDIR /src
# What is installed changes rarely: a layer of its own.
COPY scripts/install.sh scripts/
COPY scripts/lib scripts/lib
RUN scripts/install.sh build
COPY . .
RUN cmake --preset release -DDATAFLOW_TESTS=OFF \
    && cmake --build build/release --target job microservice \
    && strip build/release/job build/release/microservice

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
        libfmt9 librocksdb7.8 libsimdjson14 libspdlog1.10 libssl3 libstdc++6 libxxhash0 libzstd1 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /data --create-home dataflow
COPY --from=build /src/build/release/job /src/build/release/microservice /usr/local/bin/
# The embedded store and the rejects file are written here.
WORKDIR /data
VOLUME /data
USER dataflow
EXPOSE 8080
CMD ["microservice", "-listen", "0.0.0.0:8080"]
