# Sourced by run: what both demos have in common: the policy, the agent, and the hook.
# shellcheck shell=bash disable=SC2154  # work, top, host are run's and of the demo that is shown

policy() {
    heading 'A policy, compiled into a signed trust bundle'
    cat >policy.toml <<TOML
schema = 1

[[authority]]
name = "release"
key = "release.pub"

[[rule]]
name = "team"
match = ["$host/team/**"]
signed_by = ["release"]
contact = "#release-team"
TOML
    indented <policy.toml
    works pullward policy check policy.toml
    works pullward trust keygen --out root --no-passphrase
    works pullward trust build policy.toml --version 1 --expires 90d --key root.key -o trust.json
    works pullward trust inspect trust.json --root root.pub
}

agent() {
    heading 'The agent, started with the command line of its systemd unit'
    cat >config.toml <<TOML
[agent]
socket = "$work/run/verifier.sock"
admin_socket = "$work/run/admin.sock"
state_dir = "$work/state"
[trust]
bundle = "$work/trust.json"
roots = ["$work/root.pub"]
[containerd]
address = "$work/containerd.sock"
[registry]
offline = ${offline:-false}
hosts_dir = "$work/certs.d"
auth_file = "$work/auth.json"
[store]
dir = "$work/evidence"
TOML
    chmod 0600 config.toml
    mkdir -p -m 0755 run
    local unit words=()
    unit=$(sed -n 's/^ExecStart=//p' "$top/systemd/pullward.service")
    read -ra words <<<"${unit//\/etc\/pullward\//$work/}"
    words[0]=$work/bin/${words[0]##*/}
    show_command "${words[@]}"
    start agent "${words[@]}"
    until_ready agent pullward status --config config.toml
    works pullward status --config config.toml
}

# hook IMAGE: what containerd does for a pull, by hand.
hook() {
    local name=${1%@*} digest=${1#*@}
    show_command "$work/verifiers/00-pullward-verifier" -name "$name" -digest "$digest" -stdin-media-type application/vnd.oci.descriptor.v1+json
    printf '{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%d}\n' "$digest" "$2" |
        "$work/verifiers/00-pullward-verifier" -name "$name" -digest "$digest" -stdin-media-type application/vnd.oci.descriptor.v1+json
}
