# Sourced by fetch-rust-src: Debian packages of suites that this machine does not list itself, read with an
# apt state of our own. The system's lists, caches and packages stay as they are, so nothing can be removed by accident, and
# the mirror is the one the machine already uses, so no host name is written down here.

# Debian's packages are not at hand: no apt, no Debian mirror configured, or the mirror lacks what is asked for. A caller can
# tell this machine's limits (3) from a fault of ours (1).
readonly NOT_AT_HAND=3

not_at_hand() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit "$NOT_AT_HAND"
}

debian_require() {
  local tool
  for tool in apt-get apt-cache dpkg dpkg-deb; do
    command -v "$tool" >/dev/null || not_at_hand "$tool is not installed: this step unpacks Debian's packages; install them by hand as tests/bare-metal/README.md says"
  done
}

# The codename of the running release ("bookworm"); its backports are named after it.
debian_codename() (
  . /etc/os-release
  printf '%s\n' "${VERSION_CODENAME:?/etc/os-release names no VERSION_CODENAME}"
)

# The address of the machine's own main archive, from apt's configuration.
debian_mirror() {
  local codename mirror
  codename=$(debian_codename)
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v codename="$codename" '$2 == codename && $3 == "main" { print $1; exit }')
  [ -n "$mirror" ] || not_at_hand "apt's configuration has no main archive of Debian $codename: add one, or install the packages by hand"
  printf '%s\n' "$mirror"
}

# debian_open STATE SUITE…: reads the suites' lists into STATE and leaves `apt_options` set for apt-get and apt-cache.
# Debian's own archive keyring must have signed each; a suite that the mirror lacks fails the call.
debian_open() {
  local state=$1 suite mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  shift
  [ -r "$keyring" ] || not_at_hand "$keyring is missing: apt-get install debian-archive-keyring"
  mirror=$(debian_mirror)
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  for suite in "$@"; do
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite"
  done >"$state/sources.list"
  apt_options=(
    -q
    -o "Dir::State::lists=$state/lists"
    -o "Dir::Cache::archives=$state/archives"
    -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache="
    -o "Dir::Etc::sourcelist=$state/sources.list"
    -o "Dir::Etc::sourceparts=/dev/null"
    -o "Dir::Etc::preferences=/dev/null" -o "Dir::Etc::preferencesparts=/dev/null"
    # The archive of this state is ours to clean, and the images' clean-up hook empties the system's cache.
    -o "APT::Update::Post-Invoke=" -o "DPkg::Post-Invoke="
    -o "APT::Sandbox::User=$(id -un)"
    -o "APT::Get::AllowUnauthenticated=false" -o "Acquire::AllowInsecureRepositories=false"
    -o "Acquire::Retries=3"
  )
  apt-get "${apt_options[@]}" -o "APT::Update::Error-Mode=any" update >"$state/update.log" 2>&1
}
