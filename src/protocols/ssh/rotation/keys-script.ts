/**
 * What runs at a target to read and to write authorized_keys. What it works on is given to it on standard input, line by line; all that it
 * says, it says on standard error. For another account it works as root only where every folder above the file is root's alone, and else as
 * that account: nobody can lead root elsewhere by a link.
 */

import { MOST_FILE_BYTES } from './keys-files.ts'
import { createScript, MOST_SUBSTITUTED, type Script } from './scripts.ts'

export const KEYS_WORDS = [
  /** It is given the login of another account, or an empty line. */
  'ready',
  'no-account',
  /** The login, its home, and what sshd is configured with follow: what holds for the account, `effective`, where root asks. */
  'facts',
  /** It is given a request: `read` and a path; or `write`, a path, what was seen there, how many bytes, and the bytes. */
  'asks',
  'none',
  'link',
  'no-file',
  'large',
  /** What is seen there, and the bytes in hex follow. */
  'file',
  /** What went wrong follows; nothing has changed. */
  'failed',
  'written',
] as const

export type KeysWord = (typeof KEYS_WORDS)[number]

/** Standard input up to what a variable may hold. */
const BOUNDED = `bounded() { head -c ${MOST_SUBSTITUTED}; }; `

const MAIN =
  BOUNDED +
  'exec >&2; ' +
  'safe() { d=$(dirname "$1" | bounded); while :; do ' +
  'ls -ldn "$d" 2>/dev/null | bounded | { read -r mode links uid rest; case $uid:$mode in 0:d????-??-*) ;; *) exit 1;; esac; } || return 1; ' +
  '[ "$d" = / ] && return 0; d=$(dirname "$d" | bounded); done; }; ' +
  'say ready; IFS= read -r login || exit 1; other=; ' +
  'if [ -n "$login" ] && [ "$login" = "$(id -un | bounded)" ]; then login=; fi; ' +
  'if [ -n "$login" ]; then other=yes; home=$(getent passwd "$login" | cut -d: -f6 | bounded); ' +
  'else login=$(id -un | bounded); home=$HOME; fi; ' +
  '[ -n "$home" ] || { say no-account; exit 1; }; ' +
  'say facts; printf "%s\\n%s\\n" "$login" "$home"; ' +
  '{ sshd -T -C "user=$login,host=localhost,addr=127.0.0.1" && echo effective || cat /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf; } 2>/dev/null | ' +
  'grep -iE "^[[:space:]]*(authorizedkeysfile|pubkeyaccepted(algorithms|keytypes))[[:space:]=]|^effective"; ' +
  'while say asks; IFS= read -r verb && IFS= read -r path; do ' +
  'if [ -z "$other" ] || safe "$path"; then /bin/sh -c "$1" keys "$verb" "$path"; ' +
  'elif command -v runuser >/dev/null; then runuser -u "$login" -- /bin/sh -c "$1" keys "$verb" "$path"; ' +
  'else su -s /bin/sh -c "$1" "$login" keys "$verb" "$path"; fi; done'

/** One request. A file that is there keeps its owner, its mode, and what else `cp` can keep: the new one is a copy, filled anew, put in its place. */
const REQUEST =
  BOUNDED +
  'tried() { out=$( { "$@" 2>&1 && echo :done; } | bounded); case $out in *:done) out=$(printf "%s" "$out" | sed "s/:done$//");; *) return 1;; esac; }; ' +
  'sum() { cksum <"$path"; }; create() (set -C; : >"$tmp"); take() { head -c "$bytes" >|"$tmp"; }; ' +
  'copy() { cp --preserve=all "$path" "$tmp" 2>/dev/null || cp -p "$path" "$tmp"; }; ' +
  'size() { wc -c <"$1" | bounded; }; ' +
  'exec >&2; umask 077; verb=$1; path=$2; dir=$(dirname "$path" | bounded); ' +
  'facts() { ls -ldn "$1" | bounded | { read -r mode links uid gid rest; echo "$mode $uid $gid"; }; }; ' +
  'failed() { say failed; printf "%s\\n" "$1"; exit 0; }; ' +
  'if [ -h "$path" ]; then say link; exit 0; fi; seen=none; ' +
  'if [ -e "$path" ]; then ' +
  '[ -f "$path" ] || { say no-file; exit 0; }; ' +
  'ls -ldn "$path" | bounded | { read -r mode links rest; [ "$links" = 1 ]; } || failed "it has more than one name (hard links)"; ' +
  'tried sum || failed "$out"; seen=$out; ' +
  `if [ "$(size "$path")" -gt ${MOST_FILE_BYTES} ]; then say large; exit 0; fi; fi; ` +
  'if [ "$verb" = read ]; then ' +
  'if [ "$seen" = none ]; then say none; else say file; echo "$seen"; od -An -v -tx1 "$path"; fi; exit 0; fi; ' +
  'IFS= read -r expected; IFS= read -r bytes; tmp=$dir/.authorized_keys.sallyport.$$; ' +
  'tried mkdir -p "$dir" || failed "$out"; ' +
  'exec 9<"$dir"; if command -v flock >/dev/null; then flock -w 20 9 || failed "somebody else changes it"; rm -f "$dir"/.authorized_keys.sallyport.*; fi; ' +
  'trap "rm -f \\"\\$tmp\\"" EXIT; trap "exit 1" HUP INT TERM PIPE; ' +
  'if [ -e "$path" ]; then tried sum || failed "$out"; seen=$out; fi; [ "$seen" = "$expected" ] || failed "it changed meanwhile: try again"; ' +
  'tried create || failed "$out"; ' +
  'if [ -e "$path" ]; then ' +
  'tried copy || failed "$out"; ' +
  'chmod u+w "$tmp"; fi; ' +
  'tried take || failed "$out"; ' +
  '[ "$(size "$tmp")" -eq "$bytes" ] || failed "it could not be written to its end"; ' +
  'if [ "$seen" = none ]; then :; else ' +
  '[ "$(facts "$path")" = "$(facts "$tmp")" ] || chmod u-w "$tmp"; ' +
  '[ "$(facts "$path")" = "$(facts "$tmp")" ] || failed "its owner, group or mode cannot be kept ($(facts "$path")): let it belong to the account and its group"; fi; ' +
  'sync "$tmp" 2>/dev/null || sync; ' +
  'tried mv -f "$tmp" "$path" || failed "$out"; ' +
  'sync "$dir" 2>/dev/null || sync; say written'

export function keysScript(): Script<KeysWord> {
  return createScript(KEYS_WORDS, () => MAIN, REQUEST)
}
