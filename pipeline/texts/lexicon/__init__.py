"""The project's own visual lexicon: what each verb and object of HICO-DET looks like, composed into descriptions."""
