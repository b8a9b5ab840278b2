# shellcheck shell=bash disable=SC2154 # the variables of common.sh and of the script that sources this
# The JVM and the jars of the servers that are Java programs. Sourced after common.sh.

# find_java: Cassandra 5 runs on Java 17 (or 11); the `java` on PATH may be a newer one.
find_java() {
  local java
  for java in "${JAVA_HOME:-}/bin/java" /usr/lib/jvm/java-17-openjdk-*/bin/java "$(command -v java || true)"; do
    if [[ -x $java ]] && "$java" -version 2>&1 | grep -Eq 'version "(17|11)[."]'; then
      echo "$java"
      return
    fi
  done
  die "Java 17 is missing (Debian package openjdk-17-jdk-headless). Install it with: scripts/install.sh test"
}

# jars_of SERVER: the folder in the user's cache with the jars of tests/servers/SERVER/pom.xml, filled by Maven when
# absent. The POM's hash is in its name, so a changed version is fetched anew.
jars_of() {
  local pom=$root/tests/servers/$1/pom.xml folder part log
  folder=$user_cache/servers/$1-$(sha256sum "$pom" | cut -c1-12)
  if [[ ! -d $folder ]]; then
    need mvn maven test
    mkdir -p "$user_cache/servers"
    part=$(mktemp -d "$folder.XXXXXX.part")
    log=$part/maven.log
    say "Fetching the jars of $1 by Maven into $folder"
    if ! JAVA_HOME=$(dirname "$(dirname "$(readlink -f "$(find_java)")")") \
      mvn -B -ntp -f "$pom" dependency:copy-dependencies -DincludeScope=runtime \
      -DoutputDirectory="$part/jars" >"$log" 2>&1 </dev/null; then
      grep -m 10 ERROR "$log" >&2 || tail -n 10 "$log" >&2
      rm -rf "$part"
      die "Maven could not fetch the jars of $1. Is there a network, and does Maven reach its repository?"
    fi
    # A concurrent run may have been first; both hold the same.
    mv -T "$part/jars" "$folder" 2>/dev/null || true
    rm -rf "$part"
  fi
  echo "$folder"
}
