"""Names that a file system takes and a careless program trips over; a command that runs one of them
leaves a file PWNED."""

PWNED = "pwned"
# as an input file of a rule: without the four characters that Snakemake's patterns consist of
NAME = (
    f'it\'s a "q"\n$(touch {PWNED})`touch {PWNED}`; touch {PWNED} & é漢😀 *?[a] \\n #%s -x : =,~!|'
)
# as a folder that files lie in
FOLDER = f"{NAME} {{x}} {{{{y}}}} <results>"
