# Completion of softreserve for fish: the program answers with a word, a tab and what it means in each line.
function __softreserve_complete
    set -l program (commandline -opc)[1]
    $program completion fish --line (commandline -cp | string collect) 2>/dev/null
end
complete -c softreserve -f -a '(__softreserve_complete)'
