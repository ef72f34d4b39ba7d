# Completion of softreserve for bash. What it prints is made by the program itself; the first line says whether the others are paths.
_softreserve() {
    local answers
    mapfile -t answers < <("${1/#\~/$HOME}" completion bash --line "${COMP_LINE:0:COMP_POINT}" --breaks "$COMP_WORDBREAKS" 2>/dev/null)
    COMPREPLY=("${answers[@]:1}")
    if [[ ${answers[0]} == paths ]]; then
        compopt -o filenames
    fi
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[/:=] ]]; then
        compopt -o nospace
    fi
}
complete -F _softreserve softreserve
