# The foundation and the judges, published by others: a folder `weights` in that of --data, else the Hugging Face hub.

WEIGHTS = shlex.quote(f"{DATA}/weights") if DATA else "''"


rule foundation:
    input:
        code=code(step("pretrained"), stage("foundation")),
    output:
        model=part(FOUNDATION),
        notebook=f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/pretrained.ipynb",
    params:
        weights=WEIGHTS,
        settings=plain(step("pretrained"), SCALE.pretrained, SCALE.resolution),
    benchmark:
        f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/pretrained.tsv"
    priority: 1000
    shell:
        execute(weights="params.weights")


rule classifier:
    input:
        lambda w: prepared(w.world),
        code=code(step("pretrained_classifier"), stage("classifier")),
    output:
        model=f"{RUNS}/{{world}}/models/classifier/seed0/run.json",
        notebook=f"{RUNS}/{{world}}/notebooks/steps/pretrained_classifier.ipynb",
    params:
        weights=WEIGHTS,
        settings=plain(step("pretrained_classifier"), SCALE.resolution),
    benchmark:
        f"{RUNS}/{{world}}/notebooks/steps/pretrained_classifier.tsv"
    priority: 90
    shell:
        execute(world="wildcards.world", weights="params.weights")
