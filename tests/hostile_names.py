"""File names that a file system allows and careless programs misread; a command that a shell
executes from one of them creates a file PWNED."""

PWNED = "pwned"
# for an input file of a rule: without {}<>, which are special in Snakemake
NAME = (
    f'it\'s a "q"\n$(touch {PWNED})`touch {PWNED}`; touch {PWNED} & é漢😀 *?[a] \\n #%s -x : =,~!|'
)
# for a folder
FOLDER = f"{NAME} {{x}} {{{{y}}}} <results>"
