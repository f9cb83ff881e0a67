"""Retrieval: train cases are looked up by what the model says of them under the prompt."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["RETRIEVAL"]

RETRIEVAL = (
    Recipe(
        "knn-prompting",
        "the train cases of which the model says the most similar thing at the mask vote",
        "Xu et al. (2023), kNN prompting",
        Settings(prompt="manual", n_prompts=1, readout="mask", head="knn:scores=tied"),
        mechanism="the class of most of the k anchors p, distributions over all words at the mask, "
        "with the least D_KL(p || q) to the query's q",
        departures=(
            "no demonstrations stand before anchors and query, because a BERT was not trained to "
            "read them; --context demonstrations:place=before adds them",
            "k is chosen by leave-one-out, because the paper's fixed 3 has no reason to suit a set",
            "scores of words are by tied embeddings, because minilm has lost its head for them; "
            "--head knn takes the model's own",
        ),
    ),
    Recipe(
        "retroprompt",
        "words at the mask answer, and the nearest train cases beside them",
        "Chen et al. (2022), RetroPrompt",
        Settings(
            prompt="manual",
            n_prompts=1,
            readout="mask",
            head="auto-words:scores=tied",
            combination="retrieve",
        ),
        mechanism="P = w P_kNN + (1 - w) P_prompt, P_kNN in proportion to the sum of "
        "exp(-d / t) over the k nearest states of train at the mask",
        departures=(
            "model and prompt stay as they are, so that the neighbours guide no training, because "
            "the language model is frozen here",
            "no neighbours stand in the input, because that is another recipe, demonstrations",
            "w, k and t are chosen on train cases that are left out, because there is no other "
            "development set",
        ),
    ),
)
