# Sourced by kvp and .ci/run. POSIX sh.
#
# kvp_find_jdk [FEATURE]: sets KVP_JDK to the home of a JDK of that feature release (25 unless given)
# or a newer one, or returns 1. It looks at $KVP_JAVA_HOME, $JAVA_HOME, the java on the PATH, and then
# where JDKs are usually installed; there, one of exactly that release goes before a newer one.

# The feature release of the JDK at $1 (25 for 25.0.3, 8 for 1.8.0), or nothing if there is no JDK.
kvp_jdk_feature() {
  [ -x "$1/bin/java" ] && [ -x "$1/bin/javac" ] || return 0
  kvp_v=
  if [ -r "$1/release" ]; then
    kvp_v=$(sed -n 's/^JAVA_VERSION="\{0,1\}\([^"]*\)"\{0,1\}.*$/\1/p' "$1/release" | head -n 1)
  fi
  if [ -z "$kvp_v" ]; then
    kvp_v=$("$1/bin/java" -version 2>&1 </dev/null |
      sed -n 's/^.* version "\([^"]*\)".*$/\1/p' | head -n 1)
  fi
  kvp_v=${kvp_v#1.}
  kvp_v=${kvp_v%%[!0-9]*}
  printf '%s' "$kvp_v"
}

# Whether the JDK at $1 is of release $2 or newer, or exactly of it where $3 is "exactly".
kvp_jdk_fits() {
  [ -n "$1" ] || return 1
  kvp_f=$(kvp_jdk_feature "$1")
  [ -n "$kvp_f" ] || return 1
  if [ "${3-}" = exactly ]; then
    [ "$kvp_f" -eq "$2" ] || return 1
  else
    [ "$kvp_f" -ge "$2" ] || return 1
  fi
  KVP_JDK=$1
}

kvp_find_jdk() {
  kvp_want=${1:-25}
  KVP_JDK=
  kvp_jdk_fits "${KVP_JAVA_HOME-}" "$kvp_want" && return 0
  kvp_jdk_fits "${JAVA_HOME-}" "$kvp_want" && return 0
  if command -v java >/dev/null 2>&1; then
    # The java on the PATH may be a link or a stub, so it is asked for its home.
    kvp_home=$(java -XshowSettings:properties -version 2>&1 </dev/null |
      sed -n 's/^ *java\.home = //p' | head -n 1)
    kvp_jdk_fits "$kvp_home" "$kvp_want" && return 0
  fi
  for kvp_how in exactly newer; do
    for kvp_home in \
      /usr/lib/jvm/* \
      "${HOME:-/}"/.sdkman/candidates/java/* \
      "${HOME:-/}"/.jdks/* \
      "${HOME:-/}"/Library/Java/JavaVirtualMachines/*/Contents/Home \
      /Library/Java/JavaVirtualMachines/*/Contents/Home \
      /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home \
      /usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home \
      /usr/local/*jdk* \
      /opt/*jdk* \
      /opt/java/*; do
      kvp_jdk_fits "$kvp_home" "$kvp_want" "$kvp_how" && return 0
    done
  done
  return 1
}
