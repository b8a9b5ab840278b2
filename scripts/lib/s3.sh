# shellcheck shell=bash disable=SC2154 # the variables of common.sh and of the script that sources this
# S3: s3proxy over a folder, one process $state/s3/s3, with one bucket. Sourced by servers.sh.

s3_key="test"
s3_secret="testsecret"
s3_region=eu-central-1
# The SHA-256 of nothing: curl signs a body's hash but does not send it, and the server wants to see it.
s3_empty_sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

s3_url() {
  local scheme=http
  if is_tls s3; then scheme=https; fi
  echo "$scheme://127.0.0.1:$(recorded s3 port "${1:-0}")"
}

s3_bases() { if [[ -d $state/s3 ]]; then echo "$state/s3/s3"; fi; }

# s3_status_of METHOD PATH: the HTTP status of a signed request, 000 when nobody answers.
s3_status_of() {
  local authority=()
  if is_tls s3; then authority=(--cacert "$(certificates)/ca.pem"); fi
  curl --silent --noproxy '*' --max-time 10 "${authority[@]}" --output /dev/null --write-out '%{http_code}' \
    --aws-sigv4 "aws:amz:$s3_region:s3" --user "$s3_key:$s3_secret" --request "$1" \
    --header "x-amz-content-sha256: $s3_empty_sha256" \
    "$(s3_url)/$2" || true
}

s3_answers() { [[ $(s3_status_of GET '') == 200 ]]; }

s3_up() { lives "$state/s3/s3" && s3_answers; }

s3_status() {
  [[ -d $state/s3 ]] || { status_line s3 - - down; return 1; }
  one_status s3 "127.0.0.1:$(recorded s3 port -)" "$state/s3/s3" s3_up
}

s3_start() {
  local base=$state/s3/s3 bucket status
  need curl curl build
  if ! lives "$base"; then s3_launch "$base"; fi
  await_ready S3 "$base" s3_up
  bucket=${AWS_S3_BUCKET:-$(recorded s3 bucket casestudy)}
  status=$(s3_status_of PUT "$bucket")
  # 409: the bucket is there already.
  [[ $status == 200 || $status == 409 ]] || die "S3 refused to create the bucket '$bucket' (HTTP $status)"
  record s3 bucket "$bucket"
}

s3_launch() {
  local base=$1 java jars port
  java=$(find_java)
  jars=$(jars_of s3)
  mkdir -p "$state/s3"/{objects,tmp,conf}
  choose_tls s3
  port=$(own_port s3 18080)
  cp "$root/tests/servers/logback.xml" "$state/s3/conf/"
  fill "$root/tests/servers/s3/s3proxy.conf.in" PORT "$port" KEY "$s3_key" SECRET "$s3_secret" REGION "$s3_region" \
    DIRECTORY "$state/s3" >"$state/s3/conf/s3proxy.conf"
  if is_tls s3; then s3_encrypt "$port"; fi
  say "Starting S3 on 127.0.0.1:$port (log: $base.log)"
  # Java names files in the locale's encoding: keys are UTF-8 wherever the caller comes from.
  launch "$base" env LC_ALL=C.UTF-8 "$java" -Xmx512m -Djava.io.tmpdir="$state/s3/tmp" \
    -Dlogback.configurationFile="file://$state/s3/conf/logback.xml" -cp "$jars/*" \
    org.gaul.s3proxy.Main --properties "$state/s3/conf/s3proxy.conf"
}

# s3_encrypt PORT: https in place of http.
s3_encrypt() {
  cp "$(certificates)/server.p12" "$state/s3/conf/"
  sed -i '/^s3proxy.endpoint=/d' "$state/s3/conf/s3proxy.conf"
  printf '%s\n' "s3proxy.secure-endpoint=https://127.0.0.1:$1" "s3proxy.keystore-path=$state/s3/conf/server.p12" \
    's3proxy.keystore-password=changeit' >>"$state/s3/conf/s3proxy.conf"
}

s3_environment() {
  export_line AWS_ENDPOINT_URL "$(s3_url)"
  if is_tls s3; then export_line DATAFLOW_S3_CA_FILE "$(certificates)/ca.pem"; fi
  export_line AWS_ACCESS_KEY_ID "$s3_key"
  export_line AWS_SECRET_ACCESS_KEY "$s3_secret"
  export_line AWS_S3_REGION "$s3_region"
  export_line AWS_S3_BUCKET "$(recorded s3 bucket)"
}

# The credentials are the environment's, as everywhere.
s3_configuration() {
  printf '[s3]\nbucket = "%s"\nregion = "%s"\nendpoint = "%s"\n' "$(recorded s3 bucket)" "$s3_region" "$(s3_url)"
  if is_tls s3; then printf 'ca_file = "%s"\n' "$(certificates)/ca.pem"; fi
  printf '\n'
}
