#!/usr/bin/env bash
# Makes or finds the environment, then lets Snakemake make what is asked for. Bash 3.2; Linux, macOS, WSL2.
set -eu
cd "$(dirname "$0")"

usage() {
    cat <<'END'
usage: ./run_all.sh [OPTIONS]           regenerate tables, figures and claims
       ./run_all.sh test [PYTEST ARGS]  run the tests

  --scale smoke|toy|bench|paper|paper_g2g
                               how much of everything (toy, the default: two CPU cores; bench: one GPU; paper: the papers'
                               own sizes, for credentialed data and 16 GPUs; paper_g2g: those of
                               Generate to Ground, 8 GPUs; smoke: for tests)
  --world WORLD                only this world: phantom, scenes, nih or ms_cxr, at paper scale ms_cxr or coco (default: the
                               scale's own and the foundation's; nih too where --data is given)
  --data DIR                   the folder with real images (see data_manifests/) and, if you like, published weights
  --from scores                tables, figures and claims from the committed score rows, in minutes: nothing is trained
  --only TARGET                a paper (tradeoff), a notebook (2_localization), a table or figure (table_01)
  --jobs N                     how many steps run side by side (default: 2; on a cluster, where SLURM
                               has the say, all that can)
  --profile local|slurm        where they run (default: local; on a cluster, edit workflow/profiles/slurm/config.yaml)
  --dry-run                    say what would be made, and how long that takes, and stop
  --help                       this text

Stop it at any time; the same command goes on where it stopped. Everything is written below runs/, and finished
papers are copied to paper_tables/ (never at scale smoke).
END
}

fail() {
    echo "run_all.sh: $1" >&2
    exit 2
}

# ---- what is asked for: wrong options end here, before anything is installed ----

scale=toy world='' data='' from='' only='' jobs='' profile=local dry='' slurm=''
command=make
if [ "${1:-}" = test ]; then
    command=test
    shift
else
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h) usage; exit 0 ;;
            --dry-run) dry=yes; shift; continue ;;
            --scale | --world | --data | --from | --only | --jobs | --profile) ;;
            *) fail "unknown option '$1'; see ./run_all.sh --help" ;;
        esac
        [ $# -ge 2 ] && [ -n "$2" ] || fail "option $1 needs a value; see ./run_all.sh --help"
        case $1 in
            --scale) scale=$2 ;;
            --world) world=$2 ;;
            --data) data=$2 ;;
            --from) from=$2 ;;
            --only) only=$2 ;;
            --jobs) jobs=$2 ;;
            --profile) profile=$2 ;;
        esac
        shift 2
    done

    # The names of files in $1 with suffix $2, in one line.
    names() { for path in "$1"/*"$2"; do basename "$path" "$2"; done | tr '\n' ' '; }
    settings=workflow/scales/$scale.yaml
    case $scale in */*) settings='' ;; esac
    [ -f "$settings" ] || fail "unknown scale '$scale'; known: $(names workflow/scales .yaml)"
    [ -f "workflow/profiles/$profile/config.yaml" ] || fail "unknown profile '$profile'; known: $(names workflow/profiles '')"
    if grep -q '^executor: *slurm' "workflow/profiles/$profile/config.yaml"; then slurm=yes; fi
    [ -z "$slurm" ] || command -v sbatch >/dev/null ||
        fail "profile '$profile' needs SLURM, and there is no sbatch here; run this on a cluster's login node"
    [ -n "$jobs" ] || jobs=$([ -n "$slurm" ] && echo 10000 || echo 2)
    case $jobs in '' | *[!0-9]* | 0*) fail "--jobs '$jobs' is not a number of jobs; give 1 or more" ;; esac
    worlds=$(sed -n '/^worlds:/,/^[^ ]/s/^  \([a-z_0-9]*\):.*/\1/p' "$settings" | tr '\n' ' ')
    case " $worlds" in
        *" $world "*) ;;
        *) [ -z "$world" ] || fail "unknown world '$world' at scale $scale; known: $worlds" ;;
    esac
    if [ -n "$data" ]; then
        [ ! -f "$data" ] || fail "--data '$data': is a file; give the folder with the images (see data_manifests/)"
        [ -d "$data" ] || fail "--data '$data': no such folder (see data_manifests/)"
        data=$(cd "$data" 2>/dev/null && pwd) || fail "--data '$data': cannot be opened; allow it first"
    fi
    if [ -n "$from" ]; then
        [ "$from" = scores ] || fail "unknown --from '$from'; known: scores"
        [ -z "$data" ] || fail "--from scores reads no images; leave out --data"
        ls paper_tables/"$scale"/*/scores >/dev/null 2>&1 ||
            fail "no score rows are committed for scale '$scale' (paper_tables/$scale/); leave out --from"
    fi
    if [ -n "$only" ]; then
        known=$(tr ':,[]' '\n\n\n\n' <workflow/notebooks.yaml | sed -n 's/^ *\([a-z_]*\/[a-z0-9_]*\)$/\1/p
            s/^ *\([a-z0-9_]*\)\.[a-z]*$/\1/p')
        known=$(for name in 00_start_here beyond/1_ledger beyond/3_cost $known; do echo "$name"; case $name in (*/*) echo "${name%/*}"; echo "${name#*/}" ;; esac; done)
        echo "$known" | grep -qxF -e "$only" || fail "unknown target '$only'; known: $(
            echo "$known" | grep -vE '/|^(table|figure|claims|provenance)' | sort -u | tr '\n' ' '
        )and tables and figures by name, such as table_01 or figure_02"
    fi
fi

# ---- the environment: one that has the package and is active, else .venv ----

active=${VIRTUAL_ENV:-}
if [ -z "$active" ] && [ "${CONDA_DEFAULT_ENV:-base}" != base ]; then active=${CONDA_PREFIX:-}; fi
if [ -n "$active" ] && "$active/bin/python" -c 'import plainsight' 2>/dev/null; then
    bin=$active/bin
else
    bin=$PWD/.venv/bin
    stamp=.venv/installed
    sum=$(cat requirements.lock pyproject.toml | cksum)
    if [ "$(cat $stamp 2>/dev/null)" != "$sum" ]; then
        python=''
        # 3.11 first: the committed results were made with it.
        for name in python3.11 python3.12 python3.13 python3; do
            if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then python=$name && break; fi
        done
        [ -n "$python" ] || fail "needs Python 3.11, 3.12 or 3.13; install one, or activate an environment that has the package"
        echo "Installing the packages of requirements.lock into .venv, once; this takes some minutes."
        "$python" -m venv .venv || fail "$python cannot make .venv (on Debian and Ubuntu: apt install python3-venv)"
        get() { "$bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
        # Once more where it fails: mirrors of the index may be out of date for a while.
        get -r requirements.lock || { sleep 30 && get -r requirements.lock; }
        get --no-deps --no-build-isolation -e .
        echo "$sum" >$stamp
    fi
fi
export PATH="$bin:$PATH"
# The code of this checkout, whichever copy the environment was made for.
export PYTHONPATH="$PWD/lib${PYTHONPATH:+:$PYTHONPATH}"

if [ $command = test ]; then exec python -m pytest -q "$@"; fi

if [ -z "$from" ]; then
    python -m plainsight.needs "$scale" "$data" "$world" "$([ -n "$dry" ] || echo fetch)" || [ -n "$dry" ] || exit 2
fi

# ---- from scores: a folder of its own, so that neither kind of run takes the other's files for its own ----

if [ -n "$from" ]; then
    mkdir -p "runs/from_scores/runs/$scale"
    for name in workflow notebooks lib paper_tables; do ln -sfn "../../$name" "runs/from_scores/$name"; done
    cd runs/from_scores
    for scores in paper_tables/"$scale"/*/scores; do
        name=$(basename "$(dirname "$scores")")
        mkdir -p "runs/$scale/$name"
        ln -sfn "../../../paper_tables/$scale/$name/scores" "runs/$scale/$name/scores"
    done
fi

# ---- one run at a time; what a killed run left behind is cleared ----

unwritable="runs/ cannot be written to; free some space or allow it, and run again"
mkdir -p runs 2>/dev/null || fail "$unwritable"
lock=runs/.running
if [ -z "$dry" ]; then
    here=$(uname -n)
    if ! (set -C && echo "$$ $here" >$lock) 2>/dev/null; then
        other=$(cat $lock 2>/dev/null) || fail "$unwritable"
        there=${other#* } other=${other%% *}
        # From here nobody can tell whether it still runs there.
        [ "$there" = "$other" ] || [ "$there" = "$here" ] ||
            fail "another run is under way on $there (process $other), or was killed there: then delete $lock"
        if ps -p "${other:-0}" -o command= 2>/dev/null | grep -qE 'snakemake|run_all'; then
            fail "another run is under way (process $other); wait for it, or stop it with: kill $other"
        fi
        # Aside and renamed: at no time is there a lock that names no run.
        { echo "$$ $here" >$lock.$$ && mv $lock.$$ $lock; } 2>/dev/null || fail "$unwritable"
    fi
fi

# Jobs outlive a run that was killed, and would write behind the back of the next.
left_behind() {
    squeue --user "$(id -un)" --noheader --format '%i %j %Z' | while read -r id name folder; do
        case "$name $folder" in "plainsight_"*" $(pwd -P)") echo "$id" ;; esac
    done
}
if [ -n "$slurm" ] && [ -z "$dry" ]; then
    for id in $(left_behind); do
        echo "Cancelling job $id, which an earlier run left behind."
        scancel "$id"
    done
    while [ -n "$(left_behind)" ]; do sleep 1; done
fi

set -- python -m snakemake --profile "workflow/profiles/$profile" \
    --"$([ -n "$slurm" ] && echo jobs || echo cores)" "$jobs" \
    --config "scale=$scale" "world=$world" "data=$data" "from=$from" "only=$only"
if [ -z "$dry" ] && [ -n "$(ls .snakemake/locks 2>/dev/null)" ]; then "$@" --unlock >/dev/null 2>&1; fi

# ---- what will be made, and how long that takes ----

plan=$("$@" --dry-run --quiet rules 2>&1) || {
    wrong=$(echo "$plan" | awk 'found && !/^ *File/ { print; exit } /^(WorkflowError|InputError)/ { found = 1 }')
    [ -z "$wrong" ] || fail "$wrong"
    echo "$plan" | grep -v '^  File' | tail -n 5 >&2
    exit 2
}
echo "$plan" | awk -v scale="$scale" -v jobs="$jobs" -v slurm="$slurm" -v durations=workflow/durations.csv '
    BEGIN {
        FS = ","
        while ((getline <durations) > 0) if ($1 == scale) seconds[$2] = $3
        FS = " "
    }
    /^Job stats/ { table = !tables++; next }  # Snakemake prints the table twice
    table && NF == 2 && $2 ~ /^[0-9]+$/ && $1 != "total" && $1 != "all" {
        count += $2
        line = line sprintf("  %4d x %s\n", $2, $1)
        if ($1 in seconds) time += $2 * seconds[$1]; else unknown += $2
    }
    END {
        if (!count) { print "Nothing is left to be made at scale " scale "."; exit }
        printf "To be made at scale %s, %d steps, %s:\n%s", scale, count, slurm ? "on the cluster" : jobs " side by side", line
        if (slurm) exit
        if (unknown) printf "For %d of these steps no time was measured yet.\n", unknown
        # More than two side by side were never measured.
        if (time) printf "Measured on 2 CPU cores, this takes about %d minutes.\n", time / (jobs < 2 ? 1 : 2) / 60 + 1
    }'
if [ -n "$dry" ]; then exit 0; fi

[ -n "$from" ] || exec "$@"
"$@"
# A part of the tables is no whole to be compared.
[ -n "$only" ] || python -m plainsight.cli compare --scale "$scale"
