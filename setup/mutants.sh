#!/bin/sh
# Breaks one rule at a time, in builds of their own, and demands that the simulation fails by the invariant that the rule
# is there for. There is no switch for it in any program that runs. Mutants that are named are the only ones tried.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/mutants
# As many worlds as show every profile once.
worlds=${SEEDS:-20}
failed=0
named=$*
mkdir -p "$target"

# The mutant, and what its worlds must complain of.
try() {
    mutant=$1 complaint=$2
    case " ${named:-$mutant} " in *" $mutant "*) ;; *) return 0 ;; esac
    # Our own crates alone are built anew for it.
    wrapper=$target/$mutant.sh
    printf '#!/bin/sh\nrustc=$1; shift\nexec "$rustc" "$@" --cfg %s\n' "'mutant=\"$mutant\"'" >"$wrapper"
    chmod +x "$wrapper"
    RUSTC_WORKSPACE_WRAPPER="$wrapper" CARGO_TARGET_DIR="$target" \
        cargo build --quiet --profile ci --locked --manifest-path "$root/Cargo.toml" -p farwatch-sim
    if told=$("$target/ci/farwatch-sim" "$worlds"); then
        echo "mutants: $mutant lives: no world noticed it"
        failed=1
    elif echo "$told" | grep -q "$complaint"; then
        echo "mutants: $mutant died: $(echo "$told" | grep -c "$complaint") times \"$complaint\""
    else
        echo "mutants: $mutant failed, but not by \"$complaint\""
        failed=1
    fi
}

try hedge_off 'was missed'
try started_cancels 'was missed'
try window_off 'outside its window'
try epoch_off 'wrote by what the database does not hold'
try acks_ignored 'before .* who gain, held it'
try numbers_again 'two views bear the number'
try n_shrinks 'a false incident'
try copies_off 'was missed'
try rule_unread 'some host never knew'
exit $failed
