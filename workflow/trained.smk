# The foundation and the judges, trained here.

# ---- the foundation: trained on scenes, once ----


rule autoencoder:
    input:
        prepared(FOUNDATION_WORLD),
        prepared("phantom"),
        code=code(step("autoencoder"), stage("autoencoder")),
    output:
        model=part("autoencoder"),
        notebook=f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/autoencoder.ipynb",
    params:
        settings=plain(step("autoencoder"), SCALE.autoencoder, SCALE.resolution),
    threads: SCALE.threads_of("autoencoder")
    benchmark:
        f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/autoencoder.tsv"
    priority: 1000
    shell:
        execute()


rule text_encoder:
    input:
        prepared(FOUNDATION_WORLD),
        code=code(step("text_encoder"), stage("text_encoder")),
    output:
        model=part("text_encoder"),
        notebook=f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/text_encoder.ipynb",
    params:
        settings=plain(step("text_encoder"), SCALE.text_encoder, SCALE.resolution),
    benchmark:
        f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/text_encoder.tsv"
    priority: 1000
    shell:
        execute()


rule foundation:
    input:
        prepared(FOUNDATION_WORLD),
        prepared("phantom"),
        part("autoencoder"),
        part("text_encoder"),
        latents(FOUNDATION_WORLD),
        code=code(step("foundation"), stage("foundation")),
    output:
        model=part("foundation"),
        notebook=f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/foundation.ipynb",
    params:
        settings=plain(step("foundation"), SCALE.unet, SCALE.denoising),
    threads: SCALE.threads_of("foundation")
    benchmark:
        f"{RUNS}/{FOUNDATION_WORLD}/notebooks/steps/foundation.tsv"
    priority: 1000
    shell:
        execute()


# ---- what judges images that are made: trained on each world, never shown to the models ----


rule classifier:
    input:
        lambda w: prepared(w.world),
        # Not beside what the first picture waits for: two cores that share their units would both be slower.
        ancient(part(FOUNDATION)),
        code=code(step("classifier"), stage("classifier")),
    output:
        model=f"{RUNS}/{{world}}/models/classifier/seed0/run.json",
        notebook=f"{RUNS}/{{world}}/notebooks/steps/classifier.ipynb",
    params:
        settings=plain(step("classifier"), SCALE.classifier, SCALE.resolution),
    benchmark:
        f"{RUNS}/{{world}}/notebooks/steps/classifier.tsv"
    priority: 90
    shell:
        execute(world="wildcards.world")
