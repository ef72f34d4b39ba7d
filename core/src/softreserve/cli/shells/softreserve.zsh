#compdef softreserve
# Completion of softreserve for zsh: lines of the program's answer are words with what they mean, or ask for files.
_softreserve() {
    local -a values
    local answer
    for answer in "${(@f)$(${~words[1]} completion zsh --line "${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)}"; do
        case $answer in
            word:*) values+=("${answer#word:}") ;;
            files:*) compset -P "${answer#files:}"; _files ;;
            directories:*) compset -P "${answer#directories:}"; _files -/ ;;
        esac
    done
    (( $#values )) && _describe -V softreserve values
    return 0
}
if [[ $funcstack[1] == _softreserve ]]; then
    _softreserve "$@"
else
    compdef _softreserve softreserve
fi
