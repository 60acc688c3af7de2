# Sourced by run: the demo that needs nothing but the build. Images and signatures come from the tests' own signing world;
# the agent, the trust bundle and the hook are the same as in the demo with real parts.
# shellcheck shell=bash disable=SC2154  # work, top, … are run's

host=registry.example
offline=true

show() {
    made_images
    policy
    agent
    by_hand
}

made_images() {
    heading 'Images and signatures, made on the spot'
    demo-images "$work" >/dev/null
    indented <images
    [[ $(wc -l <images) == 4 ]] || fail 'there were to be four images'
}

# verdict NAME STATUS CODE: the hook, called as containerd calls it, about the image of that name in the list.
verdict() {
    local digest size status=0
    read -r _ digest size < <(grep "^$1 " images)
    hook "$host/team/app:v1@$digest" "$size" >out || status=$?
    indented <out
    ((status == $2)) || fail "this was to end with $2 and ended with $status"
    grep -q -- ": $3: " out || fail "this was to be for the reason $3"
    good "$3"
}

by_hand() {
    if [[ $EUID == 0 ]]; then
        works pullward setup containerd --config config.toml --bin-dir "$work/verifiers"
    else
        # What `setup` writes, which insists on root because containerd will execute it.
        mkdir -p verifiers
        printf '#!%s --socket=%s\n' "$work/bin/pullward-verifier" "$work/run/verifier.sock" >verifiers/00-pullward-verifier
        chmod 0755 verifiers/00-pullward-verifier
    fi
    heading 'The hook by hand, as containerd calls it: the signed image'
    verdict signed 0 signed
    heading 'An image that nobody signed'
    verdict unsigned 1 unsigned
    heading 'Other content with the signature of the first'
    verdict changed 1 digest-mismatch
    heading 'An image signed with another key'
    verdict foreign 1 untrusted-key
    heading 'The agent gone: nothing is let through'
    stop agent
    verdict signed 2 agent-unreachable
}
