# Sourced by run: the demo with real parts. Everything lies in $work, which is the current folder.
# shellcheck shell=bash disable=SC2154  # work, top, … are run's

show() {
    signing
    policy
    agent
    containerd_node
    pulls
    refusals
    offline
}

# version PART PACKAGE: of a real part, as Debian has it.
version() { awk -v package="$2" '$1 == package { print $2 }' "$peers/$1/.packages"; }

# cosign 3 signs without any service: an empty signing configuration and an empty trusted root keep it off the network.
cosign_offline() {
    printf '%s' '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}' >signing-config.json
    printf '%s' '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}' >trusted-root.json
}

# push NAME CONTENT TAG: an image of one small file.
push() {
    mkdir -p "layer/$1"
    printf '%s\n' "$2" >"layer/$1/content"
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "layer/$1" -cf "$1.tar" content
    crane append --insecure --oci-empty-base --new_layer "$1.tar" --new_tag "$3" >crane.out 2>&1
    crane mutate --insecure --set-platform "linux/$(dpkg --print-architecture)" --tag "$3" "$3" >crane.out 2>&1
}

pinned() { printf '%s@%s' "${1%:*}" "$(crane digest --insecure "$1")"; }

sign() { # KEY IMAGE
    works cosign3 sign --key "$1.key" --yes --signing-config signing-config.json --trusted-root trusted-root.json "$2"
}

signing() {
    cosign_offline
    export COSIGN_PASSWORD=''
    heading "A key pair, made by cosign $(version cosign-3 cosign)"
    works cosign3 generate-key-pair --output-key-prefix release
    [[ -s release.pub ]] || fail 'there is no release.pub'

    heading 'A registry on loopback, and an image in it'
    printf 'version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: "127.0.0.1:0"}\n' "$work" >registry.yml
    start registry registry serve registry.yml
    until_ready registry grep -q 'listening on' registry.log
    host=$(sed -nE 's/.*listening on (127\.0\.0\.1:[0-9]+).*/\1/p' registry.log | head -1)
    app=$host/team/app:v1
    push app 'the first version' "$app"
    image=$(pinned "$app")
    good "$image"

    heading 'Signed with the real cosign, stored beside the image'
    sign release "$image"
    works oras discover --plain-http "$app"
    # The first line is the image itself. (cosign lists its signature as application/vnd.oci.empty.v1+json.)
    [[ $(grep -c 'sha256:' out) == 2 ]] || fail 'oras was to find one signature'
}

containerd_config() { # SNAPSHOTTER
    cat >containerd.toml <<TOML
version = 3
root = '$work/containerd/root'
state = '$work/containerd/state'
imports = ['$work/conf.d/*.toml']
[grpc]
  address = '$work/containerd.sock'
[ttrpc]
  address = '$work/containerd.sock.ttrpc'
[plugins.'io.containerd.cri.v1.images']
  snapshotter = '$1'
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = '$work/certs.d'
[plugins.'io.containerd.cri.v1.runtime'.cni]
  conf_dir = '$work/cni'
  bin_dirs = ['$work/cni-bin']
[plugins.'io.containerd.internal.v1.opt']
  path = '$work/opt'
[plugins.'io.containerd.nri.v1.nri']
  socket_path = '$work/nri.sock'
[plugins.'io.containerd.transfer.v1.local']
  config_path = '$work/certs.d'
TOML
    if [[ $1 == native ]]; then
        # The transfer service unpacks for overlayfs only unless it is told.
        printf "  [[plugins.'io.containerd.transfer.v1.local'.unpack_config]]\n    platform = 'linux/%s'\n    snapshotter = 'native'\n" "$(dpkg --print-architecture)" >>containerd.toml
    fi
}

containerd_node() {
    heading "containerd $(version containerd-2 containerd), set up to ask pullward"
    mkdir -p conf.d "certs.d/$host"
    printf 'server = "http://%s"\n' "$host" >"certs.d/$host/hosts.toml"
    works pullward setup containerd --config config.toml --bin-dir "$work/verifiers" --write "$work/conf.d/10-pullward.toml"
    [[ -x verifiers/00-pullward-verifier ]] || fail 'there is no verifier for containerd to execute'
    [[ $(ls verifiers) == 00-pullward-verifier ]] || fail 'containerd would execute more than the verifier'

    snapshotter=overlayfs
    containerd_config "$snapshotter"
    start containerd containerd-2 --config containerd.toml
    until_ready containerd ctr-2 -a "$work/containerd.sock" version
    if ! ctr-2 -a "$work/containerd.sock" plugins ls | grep -qE 'snapshotter.*[[:space:]]overlayfs[[:space:]].*[[:space:]]ok'; then
        # A machine whose file system cannot carry overlayfs: plain copies.
        stop containerd
        snapshotter=native
        containerd_config "$snapshotter"
        start containerd containerd-2 --config containerd.toml
        until_ready containerd ctr-2 -a "$work/containerd.sock" version
    fi
    containerd-2 --config containerd.toml config dump >containerd-dump.toml
    lines=3 works pullward setup containerd --config config.toml --bin-dir "$work/verifiers" --containerd-config containerd-dump.toml
    if grep -q 'not enforced' err; then fail 'pullward finds a way round the hook'; fi
    grep -q 'verifier plugin loaded' err || fail 'containerd has not loaded the verifier plugin'
}

by_cri() { "$@" cri-pull "$work/containerd.sock" "$image_asked"; }
by_transfer() { "$@" ctr-2 -a "$work/containerd.sock" -n k8s.io image pull --hosts-dir "$work/certs.d" --snapshotter "$snapshotter" "$image_asked"; }
names() { ctr-2 -a "$work/containerd.sock" -n k8s.io image ls -q; }
forget() { names | xargs -r ctr-2 -a "$work/containerd.sock" -n k8s.io image rm --sync >/dev/null; }

pulls() {
    image_asked=$app
    heading 'The signed image, pulled as kubelet does, through CRI'
    lines=3 by_cri works
    [[ $(names) == *"$app"* ]] || fail 'containerd does not hold the image'
    good 'pulled'
    forget

    heading 'The same, through the transfer service'
    lines=0 by_transfer works
    [[ $(names) == *"$app"* ]] || fail 'containerd does not hold the image'
    good 'pulled'
    forget
}

nothing_pulled() { [[ -z $(names) ]] || fail "containerd holds $(names)"; }

refusals() {
    heading 'An image that nobody signed'
    image_asked=$host/team/app:unsigned
    push unsigned 'not signed' "$image_asked"
    by_cri refused 1 unsigned
    lines=0 by_transfer refused 1 unsigned
    nothing_pulled

    heading 'New content under the tag that was signed'
    image_asked=$app
    push changed 'something else' "$app"
    by_cri refused 1 unsigned
    lines=0 by_transfer refused 1 unsigned
    nothing_pulled

    heading 'An image signed with another key'
    works cosign3 generate-key-pair --output-key-prefix stranger
    image_asked=$host/team/app:stranger
    push stranger "signed, but not by the release team" "$image_asked"
    sign stranger "$(pinned "$image_asked")"
    by_cri refused 1 untrusted-key
    lines=0 by_transfer refused 1 untrusted-key
    nothing_pulled

    heading 'An image that no rule is about'
    image_asked=$host/other/app:v1
    push other 'no rule' "$image_asked"
    by_cri refused 1 no-rule
    nothing_pulled
}

offline() {
    heading 'What the agent has kept of the evidence, then the registry gone'
    local unsigned size
    unsigned=$(pinned "$host/team/app:unsigned")
    size=$(crane manifest --insecure "$image" | wc -c)
    works pullward store list --config config.toml
    stop registry
    if crane digest --insecure "$app" >/dev/null 2>&1; then fail 'the registry still answers'; fi
    good 'no registry any more'

    heading 'The hook by hand, as containerd calls it: judged from the evidence on disk'
    hook "$app@${image#*@}" "$size" >out || { indented <out; fail 'the signed image is refused'; }
    indented <out
    grep -q '^allowed: .*: signed: ' out || fail 'not allowed for being signed'
    good 'still allowed'
    local status=0
    hook "$host/team/app:unsigned@${unsigned#*@}" "$size" >out || status=$?
    indented <out
    ((status == 2)) || fail "without evidence on disk and without registry, 2 was due, not $status"
    grep -q ': evidence-unreachable: ' out || fail 'not for the reason evidence-unreachable'
    good 'without evidence: refused, and not called unsigned'
    works pullward verify --config config.toml --offline "$image"

    heading 'The agent gone too: nothing is let through'
    stop agent
    status=0
    hook "$app@${image#*@}" "$size" >out || status=$?
    indented <out
    ((status == 2)) || fail "without agent, 2 was due, not $status"
    grep -q 'agent-unreachable' out || fail 'not for the reason agent-unreachable'
    good 'refused: agent-unreachable'
}
